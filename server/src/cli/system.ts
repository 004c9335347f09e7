import { AdminService } from "@parley/proto/parley/v1/admin_service_pb.js";
import { Command } from "commander";
import { asBackend, type BackendOptions, backendCommand } from "./backend.js";
import { CommandFailure, EXIT } from "./failure.js";
import { examples } from "./options.js";

/** `parley system`: speaks in the name of the system. */
export function systemCommand(): Command {
  const system = new Command("system").description("send messages in the name of the system");
  backendCommand(system, "send", "send a text to everyone, a user, a group or a room")
    .argument("<text>", "text to send")
    .requiredOption("--to <receiver>", "everyone, user:ID, group:ID or room:ID")
    .option("--key <client-message-id>", "key by which a repeat is known")
    .addHelpText(
      "after",
      examples(
        'parley system send --to everyone "Maintenance at 9."',
        'parley system send --to user:Tom "Welcome!" --key hello-1',
      ),
    )
    .action((text: string, options: BackendOptions & { to: string; key?: string }) =>
      asBackend(options, "", async (service) => {
        const { message, deduplicated } = await service(AdminService).sendSystemMessage({
          receiver: { peer: receiverOf(options.to) },
          content: { content: { case: "text", value: { text } } },
          clientMessageId: options.key ?? "",
        });
        return { message_id: message?.messageId, seq: message?.seq, deduplicated };
      }),
    );
  return system;
}

function receiverOf(to: string) {
  if (to === "everyone") return { case: "everyone" as const, value: {} };
  const [, kind, value = ""] = /^(user|group|room):(.+)$/.exec(to) ?? [];
  switch (kind) {
    case "user":
      return { case: "userId" as const, value };
    case "group":
      return { case: "groupId" as const, value };
    case "room":
      return { case: "roomId" as const, value };
    default:
      throw new CommandFailure(`--to is everyone, user:ID, group:ID or room:ID, not ${to}`, EXIT.setting);
  }
}
