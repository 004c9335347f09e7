import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type PushCredential, PushCredentialSchema } from "@parley/proto/parley/v1/push_credential_pb.js";
import type { PushCredentialRow, PushSecret } from "../../store/push-credentials.js";

/** A credential as it was found good: what is told of it, and what is sealed. */
export interface ReadCredential {
  facts: Omit<PushCredentialRow, "create_ms">;
  secret: PushSecret;
}

/** A credential in the form of the contract. */
export function pushCredentialOf(row: PushCredentialRow): PushCredential {
  const credential = create(PushCredentialSchema, {
    provider: row.provider,
    environment: row.environment,
    kind: row.kind,
    fingerprint: row.fingerprint,
    topic: row.topic,
    projectId: row.project_id,
    keyId: row.key_id,
    createTime: timestampFromMs(row.create_ms),
  });
  if (row.expire_ms !== null) credential.expireTime = timestampFromMs(row.expire_ms);
  return credential;
}
