import { type Client, createClient } from "@connectrpc/connect";
import type { App } from "@parley/proto/parley/v1/app_pb.js";
import { OperatorService } from "@parley/proto/parley/v1/operator_service_pb.js";
import { Command, Option } from "commander";
import { type Answer, answer } from "./answer.js";
import { CommandFailure, EXIT } from "./failure.js";
import { dataDirOption, examples, jsonOption, readDataFile, urlOption } from "./options.js";
import { transportTo } from "./transport.js";

interface Options {
  url: string;
  operatorToken?: string;
  dataDir: string;
  json?: boolean;
}

type Operator = Client<typeof OperatorService>;

/** `parley app`: the operator's calls to a running server. */
export function appCommand(): Command {
  const app = new Command("app")
    .description("create and configure the apps of a running server")
    .addHelpText("after", examples('parley app create "My chat"', "parley app list --json"));
  subcommand(app, "create", "create an app; its service key is shown only now")
    .argument("<name>", "name to show")
    .option("--allow-bare-id-login", "let anyone with the client key log in as anyone: for development only")
    .addHelpText(
      "after",
      examples('parley app create "My chat"', "parley app create Test --allow-bare-id-login --json"),
    )
    .action((name: string, options: Options & { allowBareIdLogin?: boolean }) =>
      operate(options, async (operator) => {
        const settings = options.allowBareIdLogin === undefined ? {} : { allowBareIdLogin: options.allowBareIdLogin };
        const { app: made, clientKey, serviceKey } = await operator.createApp({ name, settings });
        return { app_id: made?.appId, client_key: clientKey, service_key: serviceKey };
      }),
    );
  subcommand(app, "list", "list the apps")
    .addHelpText("after", examples("parley app list", "parley app list --json"))
    .action((options: Options) => operate(options, listApps));
  subcommand(app, "rotate-key", "replace the client key of an app; sessions go on")
    .argument("<app-id>", "id of the app")
    .addHelpText("after", examples("parley app rotate-key x3k9q0a7b2cd"))
    .action((appId: string, options: Options) =>
      operate(options, async (operator) => ({
        app_id: appId,
        client_key: (await operator.rotateClientKey({ appId })).clientKey,
      })),
    );
  return app;
}

function subcommand(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .addOption(urlOption())
    .addOption(new Option("--operator-token <token>", "the operator token").env("PARLEY_OPERATOR_TOKEN"))
    .addOption(dataDirOption())
    .addOption(jsonOption());
}

async function operate(options: Options, work: (operator: Operator) => Promise<Answer | Answer[]>): Promise<void> {
  await answer(options, "no apps", async () => {
    const token = options.operatorToken ?? readDataFile(options.dataDir, "operator-token");
    if (token === undefined)
      throw new CommandFailure(
        `no operator token: give --operator-token or PARLEY_OPERATOR_TOKEN, or the server's --data-dir (${options.dataDir} holds none)`,
        EXIT.setting,
      );
    return await work(
      createClient(
        OperatorService,
        transportTo(options.url, () => token),
      ),
    );
  });
}

async function listApps(operator: Operator): Promise<Answer[]> {
  const apps: App[] = [];
  for (let pageToken = ""; ; ) {
    const page = await operator.listApps({ pageSize: 100, pageToken });
    apps.push(...page.apps);
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  return apps.map(({ appId, clientKey, name }) => ({ app_id: appId, client_key: clientKey, name }));
}
