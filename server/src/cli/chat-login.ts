import type { MessageInitShape } from "@bufbuild/protobuf";
import type { LoginRequestSchema } from "@parley/proto/parley/v1/auth_service_pb.js";
import { CommandFailure, EXIT } from "./failure.js";
import { readDataFile } from "./options.js";

export interface LoginOptions {
  dataDir: string;
  appId?: string;
  clientKey?: string;
  user?: string;
  username?: string;
  password?: string;
}

/** The login that the options ask for; without an app, into the development app of a server on this machine. */
export function loginRequest(options: LoginOptions): MessageInitShape<typeof LoginRequestSchema> {
  const { user, username, password } = options;
  const app = appOf(options);
  if (user !== undefined) return { ...app, credential: { case: "bareId", value: { userId: user } } };
  if (username !== undefined && password !== undefined)
    return { ...app, credential: { case: "password", value: { username, password } } };
  throw new CommandFailure("who are you? give --user, or --username and --password", EXIT.setting);
}

function appOf({ appId, clientKey, dataDir }: LoginOptions): { appId: string; clientKey: string } {
  if (appId !== undefined && clientKey !== undefined) return { appId, clientKey };
  if (appId !== undefined || clientKey !== undefined)
    throw new CommandFailure("--app-id and --client-key go together", EXIT.setting);
  const text = readDataFile(dataDir, "development-app.json");
  if (text === undefined)
    throw new CommandFailure(
      `which app? give --app-id and --client-key, or the server's --data-dir (${dataDir} holds no development app)`,
      EXIT.setting,
    );
  const { app_id, client_key } = JSON.parse(text) as { app_id: string; client_key: string };
  return { appId: app_id, clientKey: client_key };
}
