import { readFileSync } from "node:fs";
import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { AdminService, SetOauthProvidersRequestSchema } from "@parley/proto/parley/v1/admin_service_pb.js";
import { type OauthProvider, OauthProviderSchema } from "@parley/proto/parley/v1/oauth_provider_pb.js";
import { Command } from "commander";
import type { Answer } from "./answer.js";
import { asBackend, type BackendOptions, backendCommand } from "./backend.js";
import { CommandFailure, EXIT } from "./failure.js";
import { examples } from "./options.js";

/** `parley oauth`: the third parties whose word a login of an app may rest on. */
export function oauthCommand(): Command {
  const oauth = new Command("oauth").description("set the third parties that an app's users may log in by");
  backendCommand(oauth, "set", "replace them by those of a file")
    .argument("<file.json>", "list of providers in JSON; [] turns them off; see docs/logins.md")
    .addHelpText(
      "after",
      examples(
        `echo '[{"name": "weibo", "weibo": {"client_id": "1352222456"}}]' > providers.json`,
        "parley oauth set providers.json",
      ),
    )
    .action((file: string, options: BackendOptions) =>
      asBackend(options, "no third parties", async (service) => {
        const { providers } = readProviders(file);
        await service(AdminService).setOauthProviders({ providers });
        return providers.map(providerAnswer);
      }),
    );
  backendCommand(oauth, "list", "list them")
    .addHelpText("after", examples("parley oauth list", "parley oauth list --json"))
    .action((options: BackendOptions) =>
      asBackend(options, "no third parties", async (service) =>
        (await service(AdminService).listOauthProviders({})).providers.map(providerAnswer),
      ),
    );
  return oauth;
}

function readProviders(file: string) {
  try {
    const providers = JSON.parse(readFileSync(file, "utf8")) as JsonValue;
    return fromJson(SetOauthProvidersRequestSchema, { providers });
  } catch (error) {
    const { message } = error as Error;
    throw new CommandFailure(`${file} holds no list of providers in JSON: ${message}`, EXIT.setting);
  }
}

function providerAnswer(provider: OauthProvider): Answer {
  const { name, kind, baseUrl } = provider;
  const settings = (toJson(OauthProviderSchema, provider) as Record<string, unknown>)[kind.case ?? ""];
  return { name, kind: kind.case, settings: JSON.stringify(settings), base_url: baseUrl === "" ? undefined : baseUrl };
}
