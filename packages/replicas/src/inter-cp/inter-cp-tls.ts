// By what replicas know each other on the inter-CP port: certificates below one authority that lives in their store.

/** Certificate and key of this process, and the authority that all replicas have. PEM. */
export interface ReplicaCertificates {
  readonly caPem: string
  /** For the port; its one DNS name is the instance id. */
  readonly server: { readonly certificatePem: string; readonly privateKeyPem: string }
  /** For questions to others; its one DNS name is the instance id. */
  readonly client: { readonly certificatePem: string; readonly privateKeyPem: string }
}

export interface ReplicaTls {
  readonly current: ReplicaCertificates
  /** Told when the authority was replaced. Returns the unsubscriber. */
  onChange(listener: (next: ReplicaCertificates) => void): () => void
}
