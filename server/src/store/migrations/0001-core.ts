import { type Kysely, type Migration, sql } from "kysely";
import { type Dialect, shapes } from "./dialect.js";

/** The log, users, sessions, friends, groups and rooms, messages. */
export function core(dialect: Dialect): Migration {
  const { blob, clustered } = shapes(dialect);
  return {
    async up(db: Kysely<unknown>) {
      const table = (name: string) => db.schema.createTable(name);
      await table("app")
        .addColumn("app_id", "text", (c) => c.primaryKey())
        .addColumn("name", "text", (c) => c.notNull())
        .addColumn("client_key", "text", (c) => c.notNull())
        .addColumn("settings", "text", (c) => c.notNull())
        .addColumn("token_keys", blob)
        .addColumn("create_ms", "bigint", (c) => c.notNull())
        .execute();
      await table("service_key")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("service_key_id", "text", (c) => c.notNull())
        .addColumn("name", "text", (c) => c.notNull())
        .addColumn("key_hash", "text", (c) => c.notNull().unique())
        .addColumn("create_ms", "bigint", (c) => c.notNull())
        .addColumn("revoke_ms", "bigint")
        .addPrimaryKeyConstraint("service_key_pk", ["app_id", "service_key_id"])
        .execute();
      await table("app_log")
        .addColumn("app_id", "text", (c) => c.primaryKey())
        .addColumn("pos", "bigint", (c) => c.notNull())
        .addColumn("floor_pos", "bigint", (c) => c.notNull())
        .execute();
      await table("generation")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("generation_id", "text", (c) => c.notNull())
        .addColumn("first_pos", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("generation_pk", ["app_id", "first_pos", "generation_id"])
        .execute();
      await clustered(table("event"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("pos", "bigint", (c) => c.notNull())
        .addColumn("kind", "integer", (c) => c.notNull())
        .addColumn("create_ms", "bigint", (c) => c.notNull())
        .addColumn("audiences", "text", (c) => c.notNull())
        .addColumn("payload", blob, (c) => c.notNull())
        .addPrimaryKeyConstraint("event_pk", ["app_id", "pos"])
        .execute();
      await clustered(table("audience"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("audience", "text", (c) => c.notNull())
        .addColumn("pos", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("audience_pk", ["app_id", "audience", "pos"])
        .execute();
      await clustered(table("user"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("user_id", "text", (c) => c.notNull())
        .addColumn("kind", "integer", (c) => c.notNull())
        .addColumn("display_name", "text", (c) => c.notNull())
        .addColumn("avatar_url", "text", (c) => c.notNull())
        .addColumn("attributes", blob)
        .addColumn("created_pos", "bigint", (c) => c.notNull())
        .addColumn("create_ms", "bigint", (c) => c.notNull())
        .addColumn("last_active_ms", "bigint")
        .addColumn("online", "integer", (c) => c.notNull())
        .addPrimaryKeyConstraint("user_pk", ["app_id", "user_id"])
        .execute();
      await db.schema
        .createIndex("user_online")
        .on("user")
        .columns(["app_id", "user_id"])
        .where(sql.ref("online"), "=", sql.lit(1))
        .execute();
      await table("credential")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("kind", "text", (c) => c.notNull())
        .addColumn("name", "text", (c) => c.notNull())
        .addColumn("user_id", "text", (c) => c.notNull())
        .addColumn("secret", "text", (c) => c.notNull())
        .addPrimaryKeyConstraint("credential_pk", ["app_id", "kind", "name"])
        .execute();
      await db.schema.createIndex("credential_user").on("credential").columns(["app_id", "user_id"]).execute();
      await table("session")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("session_id", "text", (c) => c.notNull())
        .addColumn("user_id", "text", (c) => c.notNull())
        .addColumn("token_hash", "text", (c) => c.notNull().unique())
        .addColumn("installation_id", "text", (c) => c.notNull())
        .addColumn("platform", "integer", (c) => c.notNull())
        .addColumn("create_ms", "bigint", (c) => c.notNull())
        .addColumn("used_ms", "bigint", (c) => c.notNull())
        .addColumn("expire_ms", "bigint", (c) => c.notNull())
        .addColumn("acked_pos", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("session_pk", ["app_id", "session_id"])
        .execute();
      await db.schema.createIndex("session_user").on("session").columns(["app_id", "user_id", "create_ms"]).execute();
      await db.schema
        .createIndex("session_installation")
        .on("session")
        .columns(["app_id", "installation_id"])
        .execute();
      await db.schema.createIndex("session_expire").on("session").columns(["app_id", "expire_ms"]).execute();
      await table("used_token")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("token_id", "text", (c) => c.notNull())
        .addColumn("expire_ms", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("used_token_pk", ["app_id", "token_id"])
        .execute();
      await clustered(table("friend"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("user_id", "text", (c) => c.notNull())
        .addColumn("friend_id", "text", (c) => c.notNull())
        .addColumn("create_ms", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("friend_pk", ["app_id", "user_id", "friend_id"])
        .execute();
      await table("place")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("place", "text", (c) => c.notNull())
        .addColumn("name", "text", (c) => c.notNull())
        .addColumn("owner_user_id", "text", (c) => c.notNull())
        .addColumn("attributes", blob)
        .addColumn("join_policy", "integer", (c) => c.notNull())
        .addColumn("history_for_new_members", "integer", (c) => c.notNull())
        .addColumn("member_count", "integer", (c) => c.notNull())
        .addColumn("create_ms", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("place_pk", ["app_id", "place"])
        .execute();
      await clustered(table("member"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("place", "text", (c) => c.notNull())
        .addColumn("user_id", "text", (c) => c.notNull())
        .addColumn("joined_pos", "bigint", (c) => c.notNull())
        .addColumn("left_pos", "bigint")
        .addColumn("role", "integer", (c) => c.notNull())
        .addColumn("alias", "text", (c) => c.notNull())
        .addColumn("attributes", blob)
        .addColumn("mute_until_ms", "bigint", (c) => c.notNull())
        .addColumn("join_ms", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("member_pk", ["app_id", "place", "user_id", "joined_pos"])
        .execute();
      await db.schema
        .createIndex("member_user")
        .on("member")
        .columns(["app_id", "user_id", "place", "left_pos"])
        .execute();
      await clustered(table("conversation"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("conversation_id", "text", (c) => c.notNull())
        .addColumn("head_seq", "bigint", (c) => c.notNull())
        .addColumn("floor_seq", "bigint", (c) => c.notNull())
        .addColumn("last_pos", "bigint", (c) => c.notNull())
        .addColumn("last_ms", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("conversation_pk", ["app_id", "conversation_id"])
        .execute();
      await clustered(table("participant"))
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("user_id", "text", (c) => c.notNull())
        .addColumn("conversation_id", "text", (c) => c.notNull())
        .addColumn("read_seq", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("participant_pk", ["app_id", "user_id", "conversation_id"])
        .execute();
      // Not clustered: messages are appended, and only small keys move when a conversation grows in the middle.
      await table("message")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("conversation_id", "text", (c) => c.notNull())
        .addColumn("seq", "bigint", (c) => c.notNull())
        .addColumn("pos", "bigint", (c) => c.notNull())
        .addColumn("message_id", "text", (c) => c.notNull())
        .addColumn("sender", "text", (c) => c.notNull())
        .addColumn("client_message_id", "text", (c) => c.notNull())
        .addColumn("payload_hash", blob, (c) => c.notNull())
        .addColumn("create_ms", "bigint", (c) => c.notNull())
        .addColumn("counting", "integer", (c) => c.notNull())
        .addColumn("payload", blob, (c) => c.notNull())
        .addColumn("push", blob)
        .addPrimaryKeyConstraint("message_pk", ["app_id", "conversation_id", "seq"])
        .execute();
      await db.schema
        .createIndex("message_client_id")
        .unique()
        .on("message")
        .columns(["app_id", "client_message_id", "sender"])
        .execute();
      await db.schema.createIndex("message_id").unique().on("message").columns(["app_id", "message_id"]).execute();
      await table("answered")
        .addColumn("app_id", "text", (c) => c.notNull())
        .addColumn("user_id", "text", (c) => c.notNull())
        .addColumn("request_id", "text", (c) => c.notNull())
        .addColumn("request_hash", blob, (c) => c.notNull())
        .addColumn("response", blob, (c) => c.notNull())
        .addColumn("expire_ms", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("answered_pk", ["app_id", "user_id", "request_id"])
        .execute();
      await db.schema.createIndex("used_token_expire").on("used_token").columns(["app_id", "expire_ms"]).execute();
      await db.schema.createIndex("answered_expire").on("answered").columns(["app_id", "expire_ms"]).execute();
      await table("meta")
        .addColumn("name", "text", (c) => c.primaryKey())
        .addColumn("value", "text", (c) => c.notNull())
        .execute();
    },
  };
}
