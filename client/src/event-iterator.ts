import type { Listener } from "./emitter.js";
import { deferred } from "./outgoing-message.js";

/** An event that waits for the consumer, or is with it. */
interface Offer<T> {
  readonly value: T;
  /** The consumer is done with the event. */
  readonly done: () => void;
}

/** An iterator that can be told that nothing more will come. */
export interface EventIterator<T> {
  readonly iterator: AsyncIterableIterator<T>;
  /** Nothing more will come; what waits can still be taken. */
  end(): void;
}

/**
 * Makes an iterator over what `listen` delivers, from now on. It holds one event at a time: an event counts as applied when the consumer
 * asks for the next one or leaves the loop. So nothing piles up, and a cursor never runs ahead of the consumer.
 */
export function createEventIterator<T>(listen: (listener: Listener<T>) => () => void): EventIterator<T> {
  let offer: Offer<T> | undefined;
  let taken: Offer<T> | undefined;
  let hungry: ((result: IteratorResult<T>) => void) | undefined;
  let ended = false;

  const unlisten = listen((value) => {
    const { promise, resolve } = deferred<void>();
    offer = { value, done: () => resolve() };
    feed();
    return promise;
  });

  function feed(): void {
    if (!hungry || (!offer && !ended)) return;
    const give = hungry;
    hungry = undefined;
    taken = offer;
    offer = undefined;
    give(taken ? { done: false, value: taken.value } : { done: true, value: undefined });
  }

  function release(): void {
    taken?.done();
    taken = undefined;
  }

  return {
    iterator: {
      [Symbol.asyncIterator]() {
        return this;
      },
      next() {
        release();
        return new Promise((resolve) => {
          hungry?.({ done: true, value: undefined });
          hungry = resolve;
          feed();
        });
      },
      async return() {
        unlisten();
        ended = true;
        release();
        offer?.done();
        offer = undefined;
        feed();
        return { done: true, value: undefined };
      },
    },
    end() {
      unlisten();
      ended = true;
      feed();
    },
  };
}
