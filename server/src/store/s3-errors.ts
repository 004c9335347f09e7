/** What an S3 store refuses, or why it keeps a server from starting. The message names no secret. */
export class S3Error extends Error {
  /** Whether it would be the same if it were tried again later. */
  readonly final: boolean;

  constructor(message: string, { final, ...options }: ErrorOptions & { final: boolean }) {
    super(message, options);
    this.name = "S3Error";
    this.final = final;
  }
}
