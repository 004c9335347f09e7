type Value = string | boolean | ((event: Event) => void);
type Child = Node | string;

/** Makes an element. Texts become text nodes: nothing here ever reads text as HTML. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, Value>> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** The element of the page with this id. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element as T;
}

/** Shows or hides, and tells which. */
export function show(element: HTMLElement, shown: boolean): boolean {
  element.hidden = !shown;
  return shown;
}

/** Sets a text only when it changed, so that live regions do not repeat themselves. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** One child of a list: built again when its version changes. */
export interface Item {
  readonly key: string;
  readonly version: string;
  readonly build: () => HTMLElement;
}

const built = new WeakMap<Element, { key: string; version: string }>();

/** Makes the children of `parent` these, touching only what changed; what has the focus keeps it. */
export function reconcile(parent: Element, items: readonly Item[]): void {
  const old = new Map([...parent.children].map((child) => [built.get(child)?.key, child]));
  let next = parent.firstElementChild;
  for (const { key, version, build } of items) {
    let child = old.get(key);
    old.delete(key);
    if (!child || built.get(child)?.version !== version) {
      const fresh = build();
      built.set(fresh, { key, version });
      if (child) {
        if (next === child) next = fresh;
        replace(child, fresh);
      }
      child = fresh;
    }
    if (child === next) next = child.nextElementSibling;
    else parent.insertBefore(child, next);
  }
  for (const child of old.values()) child.remove();
}

function replace(child: Element, fresh: HTMLElement): void {
  const focused = child.contains(document.activeElement);
  child.replaceWith(fresh);
  if (focused) fresh.querySelector<HTMLElement>("button, a")?.focus();
}
