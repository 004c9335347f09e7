import { readFileSync } from "node:fs";
import ts from "typescript";

/** A test as it stands in a file. */
export interface WrittenTest {
  /** Its title behind those of the suites around it: `suite > test`. A title that is put together has `…` for what is not known. */
  title: string;
  /** Whether every run of its file runs it. */
  always: boolean;
}

const CALLS = new Set(["describe", "it", "test"]);
const CONDITIONS = new Set(["fails", "only", "runIf", "skip", "skipIf", "todo"]);

/** The tests of a file, read from its source. */
export function testsOf(path: string): WrittenTest[] {
  const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, true);
  const found: WrittenTest[] = [];
  const visit = (node: ts.Node, suites: readonly string[], always: boolean): void => {
    const call = ts.isCallExpression(node) ? readCall(node) : undefined;
    if (call === undefined) {
      ts.forEachChild(node, (child) => visit(child, suites, always));
      return;
    }
    const titles = [...suites, call.title];
    const runs = always && call.always;
    if (call.kind !== "describe") found.push({ title: titles.join(" > "), always: runs });
    ts.forEachChild(node, (child) => visit(child, call.kind === "describe" ? titles : suites, runs));
  };
  visit(source, [], true);
  return found;
}

/** What a call of `describe`, `test` or `it` says, with whatever stands between: `test.each(cases)("%s", …)`. */
function readCall(node: ts.CallExpression): { kind: string; title: string; always: boolean } | undefined {
  const title = titleOf(node.arguments[0]);
  if (title === undefined) return undefined;
  let at: ts.Expression = node.expression;
  let always = true;
  for (;;) {
    // What is left out where suites run for a second time, on PostgreSQL, has run before.
    if (ts.isCallExpression(at) && at.getText().endsWith(".skipIf(ON_POSTGRES)"))
      at = (at.expression as ts.PropertyAccessExpression).expression;
    else if (ts.isCallExpression(at)) at = at.expression;
    else if (ts.isTaggedTemplateExpression(at)) at = at.tag;
    else if (ts.isPropertyAccessExpression(at)) {
      if (CONDITIONS.has(at.name.text)) always = false;
      at = at.expression;
    } else break;
  }
  return ts.isIdentifier(at) && CALLS.has(at.text) ? { kind: at.text, title, always } : undefined;
}

function titleOf(node: ts.Expression | undefined): string | undefined {
  if (node === undefined) return undefined;
  if (ts.isStringLiteralLike(node)) return node.text;
  if (!ts.isTemplateExpression(node)) return undefined;
  return node.head.text + node.templateSpans.map(({ literal }) => `…${literal.text}`).join("");
}
