// What happened between two answers of /live. Counts only grow, unless the server started anew.

export const total = (values) => values.reduce((sum, value) => sum + value, 0);
const minus = (now, before) => now.map((value, place) => value - (before?.[place] ?? 0));

/** The difference, or null where the server started anew in between. */
export function between(before, now) {
  const seconds = now.at - before.at;
  const time = minus(now.seconds, before.seconds);
  if (seconds <= 0 || time.some((value) => value < 0)) return null;
  const by = (state, test) => total(Object.entries(state.statuses).filter(([status]) => test(Number(status))).map(([, value]) => value));
  const answered = (status) => status < 400, refused = (status) => status >= 400;
  const models = now.models.map((model) => {
    const old = before.models.find((one) => one.model === model.model && one.runtime === model.runtime);
    return {
      ...model,
      requests: model.requests - (old?.requests ?? 0), images: model.images - (old?.images ?? 0),
      infer: minus(model.infer, old?.infer), queue: minus(model.queue, old?.queue),
      batched: model.batched - (old?.batched ?? 0), calls: total(model.batches) - total(old?.batches ?? []),
      refused: total(Object.values(now.refused[model.model] ?? {})) - total(Object.values(before.refused[model.model] ?? {})),
    };
  });
  return {
    seconds, time, models,
    answered: by(now, answered) - by(before, answered), refused: by(now, refused) - by(before, refused),
    calls: total(models.map((model) => model.calls)), batched: total(models.map((model) => model.batched)),
  };
}

/** A percentile of a histogram, straight within its bucket; null where nothing was counted. */
export function percentile(buckets, bounds, share) {
  const count = total(buckets);
  if (!count) return null;
  let left = share / 100 * count;
  for (const [place, value] of buckets.entries()) {
    if (left <= value) {
      const low = place ? bounds[place - 1] : 0, high = bounds[place] ?? bounds.at(-1);
      return low + (high - low) * left / value;
    }
    left -= value;
  }
  return bounds.at(-1);
}
