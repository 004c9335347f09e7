import { toJson } from "@bufbuild/protobuf";
import { StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { anonymous, refusal, type TestServer, type TestUser, withToken } from "../support/index.js";

/** How a call was refused, in a form to compare whole: the limit is there when the refusal names one. */
export async function refused(call: Promise<unknown>) {
  const { code, reason, field, detail } = await refusal(call);
  const { limit } = detail.metadata;
  return { code, reason, field, ...(limit === undefined ? {} : { limit }) };
}

/** The function that gives the durable events of a user since now, or since its last call, each as JSON without cursor, time and kind. */
export async function watch(user: TestUser) {
  let { cursor } = await user.rpc.message.listEvents({});
  return async () => {
    const seen: unknown[] = [];
    for (;;) {
      const page = await user.rpc.message.listEvents({ cursor, pageSize: 100 });
      for (const event of page.events) {
        const json = toJson(StreamEventSchema, event) as Record<string, unknown>;
        const { cursor: _cursor, createTime: _time, kind, ...rest } = json;
        const [name = "none"] = Object.keys(rest);
        // The kind is the name of the content.
        const expected = `EVENT_KIND_${name.replace(/[A-Z]/g, "_$&").toUpperCase()}`;
        if (kind !== expected) throw new Error(`an event of kind ${String(kind)} holds ${name}`);
        seen.push(rest);
      }
      if (page.cursor === cursor) return seen;
      cursor = page.cursor;
    }
  };
}

/** A guest with a session. */
export async function newGuest(server: TestServer) {
  const { userId, sessionToken } = await anonymous(server).auth.login({
    appId: server.appId,
    clientKey: server.clientKey,
    credential: { case: "guest", value: {} },
  });
  return { userId, ...withToken(server, sessionToken) };
}
