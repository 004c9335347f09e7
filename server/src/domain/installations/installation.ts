import { create } from "@bufbuild/protobuf";
import { type Installation, InstallationSchema } from "@parley/proto/parley/v1/installation_pb.js";
import type { InstallationRow } from "../../store/installations.js";

/** An installation as its user is told of it: its token is a secret. */
export function installationOf(row: InstallationRow): Installation {
  return create(InstallationSchema, {
    installationId: row.installation_id,
    platform: row.platform,
    locale: row.locale,
    pushProvider: row.push_provider,
    pushEnvironment: row.push_environment,
  });
}
