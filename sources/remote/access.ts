/** How object stores and servers are reached. Values come from the command line's surroundings, never from a dataset. */
export interface Access {
  /** Token for the Hugging Face Hub. */
  readonly hubToken?: string;
  /** Where the Hub answers; default https://huggingface.co. */
  readonly hubEndpoint?: string;
  /** Where an S3 service other than AWS answers. */
  readonly s3Endpoint?: string;
  readonly s3Region?: string;
  /** Where a Google Cloud Storage service other than Google's answers. */
  readonly gcsEndpoint?: string;
}

/** A location as it may be shown: without user, password (which may hold an `@`) and query, which may hold a signature. */
export function shown(uri: string): string {
  const match = /^([a-z][a-z0-9+.-]*:\/\/)(?:[^/?#]*@)?([^?#]*)/i.exec(uri);
  return match ? `${match[1]}${match[2]}` : uri;
}
