import { readFileSync, writeFileSync } from "node:fs";
import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { AdminService } from "@parley/proto/parley/v1/admin_service_pb.js";
import {
  type PushTemplate,
  type PushTemplates,
  PushTemplatesSchema,
} from "@parley/proto/parley/v1/push_templates_pb.js";
import { Command } from "commander";
import type { Answer } from "./answer.js";
import { asBackend, type BackendOptions, backendCommand } from "./backend.js";
import { CommandFailure } from "./failure.js";
import { examples } from "./options.js";
import { addPushCredentials } from "./push-credentials.js";

/** `parley push`: the offline pushes of an app. */
export function pushCommand(): Command {
  const push = new Command("push").description("configure the offline pushes of an app");
  push.addCommand(templatesCommand());
  addPushCredentials(push);
  return push;
}

function templatesCommand(): Command {
  const templates = new Command("templates").description("the words of pushes, by language");
  backendCommand(templates, "set", "replace the templates by those of a JSON file")
    .argument("<file>", "a file of PushTemplates in JSON; {} takes all away")
    .addHelpText("after", examples("parley push templates set templates.json"))
    .action((file: string, options: BackendOptions) =>
      asBackend(options, "", async (service) => {
        const read = readTemplates(file);
        await service(AdminService).setPushTemplates({ templates: read });
        return { templates: read.templates.length, default_locale: read.defaultLocale || "en" };
      }),
    );
  backendCommand(templates, "get", "list the templates that were set, and save them if a file is named")
    .argument("[file]", "a file to write them to, as set takes them")
    .addHelpText("after", examples("parley push templates get", "parley push templates get templates.json --json"))
    .action((file: string | undefined, options: BackendOptions) =>
      asBackend(options, "no templates: Parley's own words are used", async (service) => {
        const { templates: kept } = await service(AdminService).getPushTemplates({});
        if (kept === undefined) return [];
        if (file !== undefined) saveTemplates(file, kept);
        return kept.templates.map(lineOf);
      }),
    );
  return templates;
}

function readTemplates(file: string): PushTemplates {
  try {
    return fromJsonString(PushTemplatesSchema, readFileSync(file, "utf8"));
  } catch (error) {
    throw new CommandFailure(`${file} cannot be read as templates: ${(error as Error).message}`);
  }
}

function saveTemplates(file: string, templates: PushTemplates): void {
  try {
    writeFileSync(file, `${toJsonString(PushTemplatesSchema, templates, { prettySpaces: 2 })}\n`);
  } catch (error) {
    throw new CommandFailure(`${file} cannot be written: ${(error as Error).message}`);
  }
}

function lineOf({ locale, direct, group, system }: PushTemplate): Answer {
  const words = (one: PushTemplate["direct"]) => `${one?.title || "-"} | ${one?.body || "-"}`;
  return { locale, direct: words(direct), group: words(group), system: words(system) };
}
