import { setTimeout as delay } from "node:timers/promises";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import { AdminService } from "@parley/proto/parley/v1/admin_service_pb.js";
import { Command } from "commander";
import type { Answer } from "./answer.js";
import { asBackend, type BackendOptions, backendCommand, backendServices } from "./backend.js";
import { exportUser } from "./export-user.js";
import { callFailure, runCommand } from "./failure.js";
import { importUsers } from "./import-users.js";
import { examples } from "./options.js";

type Admin = Client<typeof AdminService>;

/** `parley users`: the administration of users on a running server. */
export function usersCommand(): Command {
  const users = new Command("users").description("show, bring in, export, disconnect and delete users");
  backendCommand(users, "show", "show all there is to know of a user at a glance")
    .argument("<user-id>", "id of the user")
    .addHelpText("after", examples("parley users show Tom", "parley users show Tom --json"))
    .action((userId: string, options: BackendOptions) => run(options, (admin) => show(admin, userId)));
  backendCommand(users, "import", "bring in users from a file of JSON lines; a second run repeats nothing")
    .argument("<file>", "file with one user a line, in the form of ImportedUser")
    .addHelpText("after", IMPORT_LINES + examples("parley users import users.ndjson"))
    .action((file: string, options: BackendOptions) => run(options, (admin) => importUsers(admin, file)));
  backendCommand(
    users,
    "export",
    "write all that is stored of a user, one item a line; one that was cut goes on in its file",
  )
    .argument("<user-id>", "id of the user")
    .option("--out <file>", "file to write or to go on with; by default stdout")
    .addHelpText(
      "after",
      examples("parley users export Tom --out tom.ndjson", "parley users export Tom | gzip > tom.gz"),
    )
    .action((userId: string, options: BackendOptions & { out?: string }) => exportTo(userId, options));
  backendCommand(users, "disconnect", "end the streams of a user, which do not come back by themselves")
    .argument("<user-id>", "id of the user")
    .option("--revoke-sessions", "end the sessions too: the user has to log in again")
    .addHelpText("after", examples("parley users disconnect Tom", "parley users disconnect Tom --revoke-sessions"))
    .action((userId: string, options: BackendOptions & { revokeSessions?: boolean }) =>
      run(options, async (admin) => {
        const revokeSessions = options.revokeSessions === true;
        const { streams, sessions } = await admin.disconnectUser({ userId, revokeSessions });
        return { streams, sessions };
      }),
    );
  backendCommand(users, "delete", "delete a user for good, with all that it has said")
    .argument("<user-id>", "id of the user")
    .option("--wait", "wait until what is stored is blanked too")
    .addHelpText("after", examples("parley users delete Tom", "parley users delete Tom --wait"))
    .action((userId: string, options: BackendOptions & { wait?: boolean }) =>
      run(options, (admin) => deleteUser(admin, userId, options.wait === true)),
    );
  return users;
}

const IMPORT_LINES = `
A line is a user in JSON, such as
  {"userId":"Tom","displayName":"Tom","credentials":[{"password":{"username":"tom","argon2idHash":"$argon2id$v=19$…"}}],"friendUserIds":["Jerry"]}
Lines that are refused are told on stderr, the others come in.
`;

async function run(options: BackendOptions, work: (admin: Admin) => Promise<Answer>): Promise<void> {
  await asBackend(options, "", (service) => work(service(AdminService)));
}

async function show(admin: Admin, userId: string): Promise<Answer> {
  const { detail } = await admin.getUserDetail({ userId });
  const user = detail?.user;
  return {
    user_id: user?.userId,
    display_name: user?.displayName,
    avatar_url: user?.avatarUrl,
    attributes: JSON.stringify(user?.attributes ?? {}),
    create_time: user?.createTime && timestampDate(user.createTime).toISOString(),
    online: detail?.online,
    last_active_time: detail?.lastActiveTime && timestampDate(detail.lastActiveTime).toISOString(),
    sessions: detail?.sessions.length,
    live_sessions: detail?.liveSessionCount,
    installations: detail?.installations.map(({ installationId }) => installationId).join(" "),
    credentials: detail?.credentialKinds.join(" "),
    friends: detail?.friendCount,
    groups: detail?.groupCount,
    rooms: detail?.roomCount,
    unread: detail?.unreadTotal,
  };
}

async function deleteUser(admin: Admin, userId: string, wait: boolean): Promise<Answer> {
  await admin.deleteUser({ userId });
  let [blankedEvents, blankedMessages] = [0, 0];
  for (;;) {
    const { pending, events, messages } = await admin.getUserDeletion({ userId });
    if (!pending || !wait)
      return {
        user_id: userId,
        deleted: true,
        pending,
        ...(wait && { events: blankedEvents, messages: blankedMessages }),
      };
    [blankedEvents, blankedMessages] = [events, messages];
    if (process.stderr.isTTY) process.stderr.write(`\r${events} events, ${messages} messages blanked`);
    await delay(500);
  }
}

async function exportTo(userId: string, options: BackendOptions & { out?: string }): Promise<void> {
  await runCommand(async () => {
    const admin = backendServices(options)(AdminService);
    const { stderr } = process;
    const tells = stderr.isTTY && options.out !== undefined;
    const items = await exportUser(admin, userId, options.out, (count) => {
      if (tells && count % 1_000 === 0) stderr.write(`\r${count} items`);
    }).catch((error: unknown) => {
      throw callFailure(error, options.url);
    });
    if (options.out === undefined) return;
    const said =
      options.json === true ? JSON.stringify({ file: options.out, items }) : `${options.out}: ${items} items`;
    process.stdout.write(`${said}\n`);
  });
}
