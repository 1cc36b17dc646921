/** What one surface did since the service started, in the terms of the NATS micro protocol. */
export class EndpointStats {
  requests = 0;
  errors = 0;
  lastError = "";
  /** Milliseconds spent in handlers. */
  processingMs = 0;

  done(startedAt: number, error: string | undefined): void {
    this.requests += 1;
    this.processingMs += performance.now() - startedAt;
    if (error === undefined) return;
    this.errors += 1;
    this.lastError = error;
  }
}
