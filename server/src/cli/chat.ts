import { Code, ConnectError } from "@connectrpc/connect";
import type { StreamEvent } from "@parley/proto/parley/v1/stream_event_pb.js";
import { Command, Option } from "commander";
import { CHAT_HELP, createLineHandler } from "./chat-lines.js";
import { type LoginOptions, loginRequest } from "./chat-login.js";
import { type ChatSession, openSession } from "./chat-session.js";
import { follow } from "./chat-stream.js";
import { messageLine, noticeOf } from "./chat-text.js";
import { callFailure, runCommand } from "./failure.js";
import { dataDirOption, examples, urlOption } from "./options.js";
import { openTerminal, type Terminal } from "./terminal.js";

interface Options extends LoginOptions {
  url: string;
  to?: string;
  group?: string;
  room?: string;
}

/** `parley chat`: a conversation in the terminal. */
export function chatCommand(): Command {
  return new Command("chat")
    .description("log in to a running server and talk")
    .addOption(urlOption())
    .addOption(new Option("--app-id <id>", "id of the app (default: the development app's)").env("PARLEY_APP_ID"))
    .addOption(new Option("--client-key <key>", "client key of the app").env("PARLEY_CLIENT_KEY"))
    .addOption(dataDirOption())
    .option("--user <id>", "log in by a bare user id, where the app allows it")
    .option("--username <name>", "log in to an account")
    .addOption(new Option("--password <password>", "password of the account").env("PARLEY_PASSWORD"))
    .addOption(new Option("--to <user>", "write to this user").conflicts(["group", "room"]))
    .addOption(new Option("--group <group>", "write to this group").conflicts("room"))
    .option("--room <room>", "join this room and write to it")
    .addHelpText("after", examples("parley chat --user Tom --to Jerry", "parley chat --user Jerry --to Tom"))
    .addHelpText("after", `\nWhile talking:\n${CHAT_HELP.replace(/^/gm, "  ")}`)
    .action((options: Options) => runCommand(() => chat(options)));
}

async function chat(options: Options): Promise<void> {
  const session = await openSession(options.url, loginRequest(options)).catch((error: unknown) => {
    throw callFailure(error, options.url);
  });
  const terminal = openTerminal();
  const leave = new AbortController();
  const quit = () => terminal.close();
  process.once("SIGTERM", quit);
  const following = follow(session.messages, {
    signal: leave.signal,
    onEvent: (event) => show(session, terminal, event),
    onNotice: (text) => terminal.print(`* ${text}`),
  })
    .catch((error: unknown) => terminal.print(`! ${ended(error)}`))
    .finally(quit);
  terminal.print(`* you are ${session.userId}; /help lists the commands`);
  await talk(session, terminal, firstLine(options));
  leave.abort();
  await following;
  await session.logout();
  terminal.close();
  process.removeListener("SIGTERM", quit);
}

async function talk(session: ChatSession, terminal: Terminal, first: string): Promise<void> {
  const handle = createLineHandler(session, terminal);
  await handle(first);
  for await (const line of terminal.lines) if (!(await handle(line))) return;
}

function show(session: ChatSession, terminal: Terminal, event: StreamEvent): void {
  if (event.event.case === "messageCreated" || event.event.case === "systemMessage") {
    const { message } = event.event.value;
    if (message !== undefined && !session.seen(message)) terminal.print(messageLine(message));
    return;
  }
  const notice = noticeOf(event);
  if (notice !== undefined) terminal.print(`* ${notice}`);
}

function ended(error: unknown): string {
  const { code, rawMessage } = ConnectError.from(error);
  return code === Code.Unauthenticated ? "the session has ended" : rawMessage;
}

/** The choice of a peer on the command line, as it would be typed. */
function firstLine({ to, group, room }: Options): string {
  if (to !== undefined) return `/to ${to}`;
  if (group !== undefined) return `/group ${group}`;
  return room === undefined ? "" : `/room ${room}`;
}
