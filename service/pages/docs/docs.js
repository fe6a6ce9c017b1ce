// Reads /docs.json and shows it: operations with their parameters, bodies and answers, then the schemas they name.
import { json } from "../shell/api.js";
import { marked, trouble } from "../shell/dom.js";
import * as key from "../shell/key.js";

const PLACES = { path: "In the path", query: "In the address, after ?", header: "In the headers" };
const SAID = { minimum: "at least", maximum: "at most", default: "else", pattern: "pattern" };

/** An element with text, in which `code` may stand between backticks. */
function element(tag, text = "", kind = "") {
  const made = Object.assign(document.createElement(tag), { className: kind });
  made.append(...marked(text));
  return made;
}

/** A table with a head, for rows of cells: elements, or texts. */
function table(names, rows) {
  const made = element("table"), head = element("tr"), body = element("tbody");
  head.append(...names.map((name) => Object.assign(element("th", name), { scope: "col" })));
  made.append(element("thead"), body);
  made.tHead.append(head);
  body.append(...rows.map((cells) => {
    const row = element("tr");
    row.append(...cells.map((cell) => (cell instanceof Node ? cell : element("td", cell))));
    return row;
  }));
  return made;
}

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

/** What a schema allows beyond its type. */
function bounds(schema) {
  const known = Object.keys(SAID).filter((key) => schema[key] !== undefined && schema[key] !== null);
  return [schema.enum ? `one of ${schema.enum.map((each) => `\`${each}\``).join(", ")}` : "", ...known.map((key) => `${SAID[key]} ${schema[key]}`)];
}

function fields(schema) {
  return table(["Name", "Type", "Meaning"], Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const first = element("td");
    first.append(element("code", name), schema.required?.includes(name) ? element("span", " required", "soft") : "");
    return [first, kindOf(field), [field.description, ...bounds(field)].filter(Boolean).join("; ")];
  }));
}

/** Parameters by where they are sent. */
function parameters(found) {
  return Object.entries(PLACES).flatMap(([place, words]) => {
    const here = found.filter((one) => one.in === place);
    const described = (one) => ({ ...one.schema, description: [one.schema.description, one.description].filter(Boolean).join("; ") });
    return here.length ? [element("h3", words), fields({
      properties: Object.fromEntries(here.map((one) => [one.name, described(one)])),
      required: here.filter((one) => one.required).map((one) => one.name),
    })] : [];
  });
}

function operation(path, method, found) {
  const box = element("details"), head = element("summary");
  head.append(element("span", method.toUpperCase(), "method"), element("code", path), element("span", `  ${found.summary}`, "soft"));
  box.append(head);
  if (found.description) box.append(element("p", found.description));
  box.append(...parameters(found.parameters ?? []));
  for (const [type, content] of Object.entries(found.requestBody?.content ?? {})) {
    box.append(element("h3", type), content.schema.properties ? fields(content.schema) : element("p", `${kindOf(content.schema)} ${content.schema.description ?? ""}`));
  }
  box.append(element("h3", "Answers"));
  box.append(table(["Status", "Body", "When"], Object.entries(found.responses).map(([status, answer]) => {
    const content = Object.values(answer.content ?? {})[0];
    return [status, content?.schema ? kindOf(content.schema) : "", answer.description];
  })));
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
const begin = () => show().catch((error) => document.getElementById("operations").replaceChildren(trouble(error, begin)));
begin();
