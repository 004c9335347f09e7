import { byId } from "./dom.js";

/** Keeps the eye where it is: at the end while it is there, else on the same message. */
export interface Scroll {
  readonly atEnd: boolean;
  /** Runs a change of the list. */
  keep(change: () => void): void;
  toEnd(): void;
}

const nearEndPx = 40;
const nearStartPx = 300;

/** `onStart`: the beginning of what is loaded is in sight. `onMove`: the user has scrolled. */
export function setUpScroll(onStart: () => void, onMove: () => void): Scroll {
  const scroller = byId("scroller");
  let atEnd = true;

  function toEnd(): void {
    atEnd = true;
    scroller.scrollTop = scroller.scrollHeight;
  }

  scroller.addEventListener("scroll", () => {
    atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < nearEndPx;
    if (scroller.scrollTop < nearStartPx) onStart();
    onMove();
  });
  // The box to write in grows, a keyboard comes up, the window changes.
  new ResizeObserver(() => atEnd && toEnd()).observe(scroller);

  return {
    get atEnd() {
      return atEnd;
    },
    keep(change) {
      const first = scroller.querySelector("[data-seq]");
      const before = first?.getBoundingClientRect().top ?? 0;
      change();
      if (atEnd) toEnd();
      else if (first?.isConnected) scroller.scrollTop += first.getBoundingClientRect().top - before;
      if (scroller.scrollTop < nearStartPx) onStart();
    },
    toEnd,
  };
}
