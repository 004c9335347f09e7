import { readFileSync } from "node:fs";
import { AppSettingsSchema } from "@parley/proto/parley/v1/app_pb.js";
import { expect, test } from "vitest";
import { parseSettings, SETTINGS } from "../../server/src/config.js";
import { APP_DEFAULTS } from "../../server/src/limits.js";

const document = readFileSync(new URL("../../docs/settings.md", import.meta.url), "utf8");

/** The rows whose first cell looks like this. */
const rows = (first: RegExp) =>
  document
    .split("\n")
    .map((line) =>
      line
        .split("|")
        .map((cell) => cell.trim())
        .slice(1, -1),
    )
    .filter(([cell = ""]) => first.test(cell));

const ofApps = rows(/^[a-z]+(_[a-z]+)+$/);
const camel = (name: string) => name.replace(/_[a-z]/g, (part) => part.slice(1).toUpperCase());

test("docs/settings.md has one row for each setting of an app, with its default", () => {
  expect(ofApps.map(([name]) => name)).toEqual(AppSettingsSchema.fields.map(({ name }) => name));
  const defaults: Readonly<Record<string, number | boolean>> = APP_DEFAULTS;
  const told = ofApps.map(([name = "", , text = ""]) => {
    const value = text.replace(",", "");
    if (/^(on|off)$/.test(value)) return [camel(name), value === "on"];
    const [, days] = /^(\d+) days$/.exec(value) ?? [];
    return days === undefined ? [camel(name), Number(value)] : [`${camel(name)}Ms`, Number(days) * 86_400_000];
  });
  expect(Object.fromEntries(told)).toEqual(defaults);
});

test("it tells the range and the version of each", () => {
  for (const [name, meaning, , range, since] of ofApps) {
    expect(
      [meaning, range, since].every((cell) => cell !== undefined && cell !== ""),
      name,
    ).toBe(true);
    expect(since).toMatch(/^\d+\.\d+$/);
  }
});

test("it has one row for each setting of the server, with its flag and its default", () => {
  const ofServer = rows(/^PARLEY_/);
  expect(ofServer.map(([env, flag]) => [env, flag])).toEqual(
    Object.values(SETTINGS).map(({ env, flag }) => [env, flag]),
  );
  const parsed = parseSettings({});
  if (!parsed.ok) throw new Error("the defaults are refused");
  const values: Readonly<Record<string, unknown>> = { ...parsed.settings };
  for (const [name, { env }] of Object.entries(SETTINGS)) {
    const told = ofServer.find(([cell]) => cell === env)?.[2] ?? "";
    const value = values[name];
    if (Array.isArray(value)) expect([value, told]).toEqual([[], "none"]);
    else if (value !== undefined && name !== "dataDir") expect(told, env).toBe(String(value));
  }
});
