import type { ServerService } from "@parley/proto/parley/v1/server_service_pb.js";
import type { Ctx } from "../domain/context.js";
import { getServerInfo } from "../domain/get-server-info.js";
import type { Handlers } from "./funnel.js";

export function serverHandlers(ctx: Ctx): Handlers<typeof ServerService> {
  return {
    getServerInfo: async () => getServerInfo(ctx),
  };
}
