import type { MessageInitShape } from "@bufbuild/protobuf";
import { AdminService, type SetSmsGatewayRequestSchema } from "@parley/proto/parley/v1/admin_service_pb.js";
import { Command, Option } from "commander";
import type { Answer } from "./answer.js";
import { asBackend, type BackendOptions, backendCommand } from "./backend.js";
import { CommandFailure, EXIT } from "./failure.js";
import { examples } from "./options.js";

type Gateway = NonNullable<MessageInitShape<typeof SetSmsGatewayRequestSchema>["gateway"]>;

/** `parley sms`: how the codes of an app reach the phones. */
export function smsCommand(): Command {
  const sms = new Command("sms").description("set how an app's login codes reach the phones");
  backendCommand(sms, "set-webhook", "have each code posted to an address, signed with a secret")
    .argument("<url>", "https address that takes the codes")
    .addOption(
      new Option("--secret <secret>", "secret of the signature, 32 to 1,024 bytes").env("PARLEY_SMS_WEBHOOK_SECRET"),
    )
    .addHelpText(
      "after",
      examples(
        "PARLEY_SMS_WEBHOOK_SECRET=$(cat secret) parley sms set-webhook https://example.org/sms",
        "parley sms set-webhook https://example.org/sms --service-key pk_… --json",
      ),
    )
    .action((url: string, options: BackendOptions & { secret?: string }) => {
      const { secret } = options;
      return setGateway(options, () => {
        if (secret === undefined)
          throw new CommandFailure(
            "which secret? give PARLEY_SMS_WEBHOOK_SECRET, or --secret, which others on this machine can see",
            EXIT.setting,
          );
        return { case: "webhook", value: { url, secret } };
      });
    });
  backendCommand(sms, "console", "have the server print each code: in a development app only")
    .addHelpText("after", examples("parley sms console"))
    .action((options: BackendOptions) => setGateway(options, () => ({ case: "console", value: {} })));
  backendCommand(sms, "off", "turn login by SMS off")
    .addHelpText("after", examples("parley sms off"))
    .action((options: BackendOptions) => setGateway(options, () => ({ case: "none", value: {} })));
  backendCommand(sms, "show", "show the gateway in force")
    .addHelpText("after", examples("parley sms show", "parley sms show --json"))
    .action((options: BackendOptions) =>
      asBackend(options, "", async (service) => gatewayAnswer((await service(AdminService).getSmsGateway({})).gateway)),
    );
  return sms;
}

async function setGateway(options: BackendOptions, gatewayOf: () => Gateway): Promise<void> {
  await asBackend(options, "", async (service) => {
    const gateway = gatewayOf();
    await service(AdminService).setSmsGateway({ gateway });
    return gatewayAnswer(gateway);
  });
}

function gatewayAnswer(gateway: Gateway): Answer {
  return { gateway: gateway.case, url: gateway.case === "webhook" ? gateway.value.url : undefined };
}
