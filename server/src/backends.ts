import type { Settings } from "./config.js";
import { createMemoryBus } from "./delivery/memory-bus.js";
import { createNatsBus, type NatsBusOptions } from "./delivery/nats-bus.js";
import type { SecretBox } from "./domain/secret-box.js";
import type { Times } from "./limits.js";
import type { Logger } from "./ops/logger.js";
import type { BlobStore, Bus } from "./ports.js";
import { createDiskBlobs } from "./store/disk-blobs.js";
import { openS3Blobs } from "./store/open-s3-blobs.js";

/** The bus that the settings name: a part of the composition root. */
export function createBus({ nats, databaseUrl }: Settings, options: Omit<NatsBusOptions, "address">): Bus {
  if (nats !== undefined) return createNatsBus({ ...options, address: nats });
  return createMemoryBus(databaseUrl === undefined ? "alone" : "down");
}

/** The bytes of attachments: in the bucket of the settings, or on this machine's disk. */
export async function openBlobs(
  { s3, dataDir }: Settings,
  { shared, secrets, times, logger }: { shared: boolean; secrets: SecretBox; times: Times; logger: Logger },
): Promise<BlobStore> {
  if (s3 === undefined) {
    if (shared)
      logger.warn(
        "attachments lie on this node's disk, where no other node finds them: with more nodes than one, set PARLEY_S3_ENDPOINT",
      );
    return createDiskBlobs(dataDir);
  }
  return await openS3Blobs({
    ...s3,
    dataDir,
    mark: secrets.mac("the owner of a bucket"),
    timeoutMs: times.blobStoreMs,
    stallMs: times.downloadStallMs,
    spareMs: 2 * times.uploadMs,
    logger,
  });
}
