import { explain } from "../words.js";
import { byId, h, setText } from "./dom.js";

/** A short form. */
export interface Question {
  readonly title: string;
  readonly fields: readonly { readonly name: string; readonly label: string; readonly optional?: boolean }[];
  readonly submit: string;
  /** What the answer leads to; when it fails, the form says why and stays. */
  readonly run: (values: Readonly<Record<string, string>>) => Promise<void>;
}

/** The ids in a text, however they are set apart. */
export function idsIn(text = ""): string[] {
  return text.split(/[\s,;]+/).filter((id) => id !== "");
}

let question: Question | undefined;

/** Wires the one dialog of the page. */
export function setUpAsk(): void {
  const dialog = byId<HTMLDialogElement>("ask");
  const form = byId<HTMLFormElement>("ask-form");
  byId("ask-cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const asked = question;
    const button = byId<HTMLButtonElement>("ask-ok");
    button.disabled = true;
    const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
    try {
      await asked?.run(values);
      if (asked === question) dialog.close();
    } catch (error) {
      setText(byId("ask-error"), explain(error));
    } finally {
      button.disabled = false;
    }
  });
}

/** Asks the user. */
export function ask(next: Question): void {
  question = next;
  setText(byId("ask-title"), next.title);
  setText(byId("ask-ok"), next.submit);
  setText(byId("ask-error"), "");
  byId("ask-fields").replaceChildren(
    ...next.fields.map(({ name, label, optional = false }) => {
      const attributes = { name, autocomplete: "off", autocapitalize: "none", spellcheck: "false" };
      return h("label", {}, label, h("input", { ...attributes, required: !optional }));
    }),
  );
  byId<HTMLDialogElement>("ask").showModal();
}
