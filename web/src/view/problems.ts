import { explain } from "../words.js";
import { byId, h } from "./dom.js";

const limit = 4;

/** Shows a failure as a small notice that the user can close. */
export function showProblem(error: unknown): void {
  showNotice(explain(error));
}

/** A text that is shown already is not shown twice. */
export function showNotice(text: string): void {
  const list = byId("problems");
  for (const item of list.children) if (item.firstChild?.textContent === text) return;
  while (list.children.length >= limit) list.firstElementChild?.remove();
  const item = h("li", {}, h("span", {}, text));
  item.append(h("button", { type: "button", "aria-label": "Dismiss", click: () => item.remove() }, "×"));
  list.append(item);
}
