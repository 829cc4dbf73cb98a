/**
 * At most `limit` calls of `work` at a time over a pulled sequence, results in the order of the sequence.
 * Nothing is pulled before there is room for it, and a slow consumer stops the pulling: memory is `limit` items.
 * An error of the sequence or of `work` surfaces in order, after the results before it.
 */
export async function* mapConcurrent<In, Out>(
  source: AsyncIterable<In>,
  limit: number,
  work: (item: In) => Promise<Out>,
): AsyncGenerator<Out> {
  const pulled = source[Symbol.asyncIterator]();
  const running: Promise<Out>[] = [];
  let ended = false;
  const enqueue = (job: Promise<Out>): void => {
    // A rejection is delivered in order below; without this Node would call it unhandled while it waits its turn.
    job.catch(() => undefined);
    running.push(job);
  };
  try {
    while (!ended || running.length > 0) {
      while (!ended && running.length < limit) {
        try {
          const next = await pulled.next();
          if (next.done) ended = true;
          else enqueue(work(next.value));
        } catch (error) {
          ended = true;
          enqueue(Promise.reject(error));
        }
      }
      const first = running.shift();
      if (first) yield await first;
    }
  } finally {
    await Promise.allSettled(running);
    await pulled.return?.();
  }
}
