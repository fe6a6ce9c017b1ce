// Reads /docs.json and shows it: operations with their parameters, bodies and answers, then the schemas they name.
import { json } from "../shell/api.js";
import { trouble } from "../shell/dom.js";
import * as key from "../shell/key.js";

const element = (tag, text = "", kind = "") => Object.assign(document.createElement(tag), { textContent: text, className: kind });
const schemaName = (ref) => ref.split("/").pop();

function kindOf(schema) {
  if (schema.$ref) return schemaName(schema.$ref);
  if (schema.allOf) return schema.allOf.map(kindOf).join(" & ");
  const either = schema.anyOf ?? schema.oneOf;
  if (either && !schema.properties) return [...new Set(either.map(kindOf))].join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `[${kindOf(schema.items ?? schema.prefixItems?.[0] ?? {})}]`;
  return schema.format ?? schema.type ?? "anything";
}

function fields(schema) {
  const table = element("table"), body = element("tbody");
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const row = element("tr"), first = element("td"), bounds = [];
    first.append(element("code", name), schema.required?.includes(name) ? element("span", " required", "soft") : "");
    for (const key of ["minimum", "maximum", "default", "pattern"]) if (field[key] !== undefined && field[key] !== null) bounds.push(`${key} ${field[key]}`);
    row.append(first, element("td", kindOf(field)), element("td", [field.description, ...bounds].filter(Boolean).join("; ")));
    body.append(row);
  }
  table.append(body);
  return table;
}

function operation(path, method, found) {
  const box = element("details"), head = element("summary");
  head.append(element("span", method.toUpperCase(), "method"), element("code", path), element("span", `  ${found.summary}`, "soft"));
  box.append(head);
  if (found.description) box.append(element("p", found.description));
  if (found.parameters) box.append(element("h3", "In the address"), fields({ properties: Object.fromEntries(found.parameters.map((one) => [one.name, one.schema])) }));
  for (const [type, content] of Object.entries(found.requestBody?.content ?? {})) {
    box.append(element("h3", type), content.schema.properties ? fields(content.schema) : element("p", `${kindOf(content.schema)} ${content.schema.description ?? ""}`));
  }
  box.append(element("h3", "Answers"));
  const table = element("table"), body = element("tbody");
  for (const [status, answer] of Object.entries(found.responses)) {
    const row = element("tr"), content = Object.values(answer.content ?? {})[0];
    row.append(element("td", status), element("td", content?.schema ? kindOf(content.schema) : ""), element("td", answer.description.replaceAll("`", "")));
    body.append(row);
  }
  table.append(body);
  box.append(table);
  return box;
}

function schema(name, found) {
  const box = element("details"), head = element("summary");
  head.append(element("code", name));
  box.append(head, element("p", found.description ?? "", "soft"), fields(found));
  return box;
}

async function show() {
  const found = await json("/docs.json");
  document.getElementById("title").textContent = `${found.info.title} API ${found.info.version}`;
  document.getElementById("lead").textContent = `${found.info.summary} ${found.info.description}`;
  document.getElementById("curl").textContent = [
    `curl -F image=@shoe.png ${location.origin}/predict`,
    `curl -H 'Content-Type: image/png' --data-binary @shoe.png '${location.origin}/predict?top_k=3'`,
    `curl -H 'Content-Type: application/json' -d '{}' ${location.origin}/evaluate`,
  ].join("\n");
  document.getElementById("operations").append(...Object.entries(found.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, one]) => operation(path, method, one))));
  document.getElementById("schemas").append(...Object.entries(found.components.schemas).map(([name, one]) => schema(name, one)));
}
key.show();
document.getElementById("forget").addEventListener("click", key.forget);
show().catch((error) => document.getElementById("operations").replaceChildren(trouble(error)));
