import { create, type DescField, ScalarType } from "@bufbuild/protobuf";
import { type Duration, durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { AdminService } from "@parley/proto/parley/v1/admin_service_pb.js";
import { type AppSettings, AppSettingsSchema } from "@parley/proto/parley/v1/app_pb.js";
import { Command } from "commander";
import type { Answer } from "./answer.js";
import { asBackend, type BackendOptions, backendCommand } from "./backend.js";
import { CommandFailure } from "./failure.js";
import { examples } from "./options.js";

/** `parley settings`: what an app allows, and how long it keeps things. */
export function settingsCommand(): Command {
  const settings = new Command("settings").description("read and change the settings of an app; see docs/settings.md");
  backendCommand(settings, "get", "show the settings in force")
    .argument("[names...]", "settings to show; all when none is named")
    .addHelpText("after", examples("parley settings get", "parley settings get max_group_members --json"))
    .action((names: string[], options: BackendOptions) =>
      asBackend(options, "no settings", async (service) => {
        for (const name of names) fieldOf(name);
        const { settings: inForce } = await service(AdminService).getSettings({});
        return settingsAnswer(inForce, names);
      }),
    );
  backendCommand(settings, "set", "change settings, all or none")
    .argument("<name=value...>", "settings to change: true or false, a number, or a time such as 7d, 12h, 30m, 45s")
    .addHelpText(
      "after",
      examples("parley settings set allow_stranger_messages=false", "parley settings set history_retention=30d"),
    )
    .action((changes: string[], options: BackendOptions) =>
      asBackend(options, "no settings", async (service) => {
        const { settings: inForce } = await service(AdminService).updateSettings({ settings: parseSettings(changes) });
        return settingsAnswer(inForce, changes.map(nameOf));
      }),
    );
  return settings;
}

const nameOf = (change: string) => change.split("=")[0] ?? "";

/** Settings from words such as max_group_members=100. */
function parseSettings(changes: readonly string[]): AppSettings {
  const settings = create(AppSettingsSchema) as AppSettings & Record<string, unknown>;
  for (const change of changes) {
    const at = change.indexOf("=");
    if (at < 0) throw new CommandFailure(`${change}: give it a value, as in ${change}=…`);
    const field = fieldOf(change.slice(0, at));
    (settings as Record<string, unknown>)[field.localName] = parseValue(field, change.slice(at + 1));
  }
  return settings;
}

function fieldOf(name: string): DescField {
  const field = AppSettingsSchema.fields.find((one) => one.name === name);
  if (field !== undefined) return field;
  throw new CommandFailure(
    `no setting ${name}; there are: ${AppSettingsSchema.fields.map((one) => one.name).join(", ")}`,
  );
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseValue(field: DescField, text: string): boolean | number | Duration {
  if (field.scalar === ScalarType.BOOL) {
    if (/^(true|on|yes)$/.test(text)) return true;
    if (/^(false|off|no)$/.test(text)) return false;
    throw new CommandFailure(`${field.name} is true or false`);
  }
  if (field.message !== undefined) {
    const [, digits = "", unit = "s"] = /^(\d{1,10})([smhd])$/.exec(text) ?? (text === "0" ? ["", "0", "s"] : []);
    if (digits === "") throw new CommandFailure(`${field.name} is a time such as 7d, 12h, 30m or 45s; 0 is for ever`);
    return durationFromMs(Number(digits) * (UNITS_MS[unit] ?? 1));
  }
  if (!/^\d{1,9}$/.test(text)) throw new CommandFailure(`${field.name} is a whole number`);
  return Number(text);
}

function settingsAnswer(settings: AppSettings | undefined, names: readonly string[]): Answer {
  const values = (settings ?? {}) as Record<string, unknown>;
  const shown = AppSettingsSchema.fields.filter(({ name }) => names.length === 0 || names.includes(name));
  return Object.fromEntries(shown.map((field) => [field.name, valueText(values[field.localName])]));
}

function valueText(value: unknown): string | number | boolean | undefined {
  if (typeof value !== "object" || value === null) return value as number | boolean | undefined;
  const ms = durationMs(value as Duration);
  const unit = Object.keys(UNITS_MS).findLast((name) => ms > 0 && ms % (UNITS_MS[name] as number) === 0);
  return unit === undefined ? `${ms / 1000}s` : `${ms / (UNITS_MS[unit] as number)}${unit}`;
}
