import { z } from "zod";

/** A bucket, and how to get at it. */
export interface S3Settings {
  endpoint: URL;
  bucket: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** The address by which clients reach the store, when they are sent there. */
  publicUrl: URL | undefined;
}

/** The settings of a bucket: nothing without each other, but for the last. */
export const S3_NEEDED = ["s3Endpoint", "s3Bucket", "s3Region", "s3AccessKeyId", "s3SecretAccessKey"] as const;
export const S3_NAMES = [...S3_NEEDED, "s3PublicUrl"] as const;

/** An address that paths are added to. */
const baseUrl = z
  .string()
  .refine((text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    return url !== undefined && /^https?:$/.test(url.protocol) && url.href === url.origin + url.pathname;
  }, "must be an http or https URL without a query")
  .transform((text) => new URL(text));
const textLike = (pattern: RegExp, message: string) => z.string().regex(pattern, message).optional();

export const s3Fields = {
  s3Endpoint: baseUrl.optional(),
  s3Bucket: textLike(/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/, "must be the name of a bucket"),
  s3Region: textLike(/^[\w-]{1,64}$/, "must be the name of a region, such as eu-central-1"),
  s3AccessKeyId: textLike(/^[\x21-\x7e]{1,256}$/, "must be a key id without blanks"),
  s3SecretAccessKey: textLike(/^[\x21-\x7e]{1,256}$/, "must be a key without blanks"),
  s3PublicUrl: baseUrl.optional(),
};

type S3Given = { [Name in keyof typeof s3Fields]?: z.output<(typeof s3Fields)[Name]> };

/** Takes the bucket out of settings that were checked: all that it needs is there, or nothing. */
export function takeS3<T extends S3Given>(given: T) {
  const { s3Endpoint: endpoint, s3Bucket: bucket, s3Region: region, s3AccessKeyId: accessKeyId, ...others } = given;
  const { s3SecretAccessKey: secretAccessKey, s3PublicUrl: publicUrl, ...rest } = others;
  const isWhole =
    endpoint !== undefined &&
    bucket !== undefined &&
    region !== undefined &&
    accessKeyId !== undefined &&
    secretAccessKey !== undefined;
  const s3: S3Settings | undefined = isWhole
    ? { endpoint, bucket, region, accessKeyId, secretAccessKey, publicUrl }
    : undefined;
  return { s3, rest };
}
