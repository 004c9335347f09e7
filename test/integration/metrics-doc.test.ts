import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createMetrics } from "../../server/src/ops/metrics.js";

/** What prom-client keeps of a metric, beyond what its types tell. */
interface Declared {
  name: string;
  labelNames: readonly string[];
}

const text = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const isDeclared = (part: unknown): part is Declared =>
  typeof part === "object" && part !== null && "labelNames" in part && "name" in part;

const parts: unknown[] = Object.values(createMetrics({ process: false }));
const ours = parts.filter(isDeclared);
/** Those of the process have names by which Prometheus knows them in general. */
const names = new Set(
  [...(await createMetrics().text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = "", type]) =>
    type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
);

/** Labels that Prometheus itself adds. */
const ADDED = ["job", "instance", "le"];

/** The names of metrics in a query, with the labels that each is asked by. */
function askedBy(query: string): { name: string; labels: string[] }[] {
  const quoted = query.replace(/"[^"]*"/g, '""');
  return [...quoted.matchAll(/\b((?:parley|process|nodejs|up)\w*)\b(?:\{([^}]*)\})?/g)].map(
    ([, name = "", by = ""]) => ({
      name,
      labels: [...by.matchAll(/(\w+)\s*[=!]/g)].map(([, label = ""]) => label),
    }),
  );
}

function problemsOf(query: string): string[] {
  const asked = askedBy(query);
  if (asked.length === 0) return ["asks for no metric"];
  return asked.flatMap(({ name, labels }) => {
    if (name === "up") return [];
    if (!names.has(name)) return [`${name} is no metric of the server`];
    const base = ours.find((each) => name === each.name || name.replace(/_(bucket|sum|count)$/, "") === each.name);
    const known = [...ADDED, ...(base?.labelNames ?? [])];
    return labels.filter((label) => !known.includes(label)).map((label) => `${name} has no label ${label}`);
  });
}

describe("deploy/", () => {
  test("the dashboard asks for what there is", () => {
    const queries = [...text("deploy/grafana.json").matchAll(/"expr": ("(?:[^"\\]|\\.)*")/g)].map(([, quoted = ""]) =>
      String(JSON.parse(quoted)),
    );
    expect(queries.length).toBeGreaterThan(20);
    for (const query of queries) expect([query, problemsOf(query)]).toEqual([query, []]);
  });

  test("each panel of it has a place of its own, and a title", () => {
    const { panels } = JSON.parse(text("deploy/grafana.json")) as {
      panels: { id: number; title: string; gridPos: { x: number; y: number; w: number; h: number } }[];
    };
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { title, gridPos } of panels) {
      expect(title).not.toBe("");
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect([title, x < 24, taken.has(`${x} ${y}`)]).toEqual([title, true, false]);
          taken.add(`${x} ${y}`);
        }
    }
  });

  test("each alert asks for what there is, and says what it means and what to do", () => {
    const alerts = text("deploy/alerts.yml").split("- alert: ").slice(1);
    expect(alerts.length).toBeGreaterThan(10);
    for (const alert of alerts) {
      const [name = ""] = alert.split("\n");
      const [, query = ""] = /expr: (?:>-\n\s+)?(.*)/.exec(alert) ?? [];
      expect([name, problemsOf(query)]).toEqual([name, []]);
      expect(alert, name).toMatch(/severity: (page|ticket)\b/);
      expect(alert, name).toMatch(/summary: ".+"\n\s+action: ".+"/);
    }
  });

  test("a query for what there is not is found", () => {
    expect(problemsOf("sum(rate(parley_nothing_total[5m])) > 1")).toEqual([
      "parley_nothing_total is no metric of the server",
    ]);
    expect(problemsOf('parley_rpc_total{reason="x"}')).toEqual(["parley_rpc_total has no label reason"]);
    expect(problemsOf("parley_commit_batch_size")).toEqual(["parley_commit_batch_size is no metric of the server"]);
    expect(problemsOf("1 + 1")).toEqual(["asks for no metric"]);
  });
});

test("docs/operations.md has one row for each metric of ours, with its labels", () => {
  const rows = text("docs/operations.md")
    .split("\n")
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .filter(([first = ""]) => /^parley_\w+$/.test(first));
  expect(rows.map(([name, labels]) => [name, labels])).toEqual(
    ours.map(({ name, labelNames }) => [name, labelNames.join(", ")]),
  );
  for (const [name, , meaning] of rows) expect(meaning, name).not.toBe("");
});
