import { AdminService } from "@parley/proto/parley/v1/admin_service_pb.js";
import { Command } from "commander";
import { asBackend, type BackendOptions, backendCommand } from "./backend.js";
import { importMessages } from "./import-messages.js";
import { examples } from "./options.js";

/** `parley messages`: brings history in from another system. */
export function messagesCommand(): Command {
  const messages = new Command("messages").description("bring in messages of another system");
  backendCommand(messages, "import", "bring in messages from a file of JSON lines; a second run repeats nothing")
    .argument("<file>", "file with one ImportMessagesRequest a line")
    .option("--allow-after", "put messages of old behind newer ones, with the times of those")
    .addHelpText("after", LINES + examples("parley messages import history.ndjson"))
    .action((file: string, options: BackendOptions & { allowAfter?: boolean }) =>
      asBackend(options, "", (service) => importMessages(service(AdminService), file, options.allowAfter === true)),
    );
  return messages;
}

const LINES = `
A line is one message or several of one conversation, rising in time; neighbours of one conversation go together:
  {"groupId":"g1","messages":[{"senderUserId":"Tom","content":{"text":{"text":"Hi"}},"createTime":"2021-05-01T09:00:00Z","clientMessageId":"old-1"}]}
  {"users":{"firstUserId":"Tom","secondUserId":"Jerry"},"messages":[…]}
Retention holds for them too: what is older than the app keeps is removed again.
`;
