// Settings of the servers by which replicas on one database find, hear and ask each other faster.
import { list, text } from './config-schema.ts'

const tls = <const P extends string>(prefix: P) =>
  ({
    type: 'object',
    properties: {
      caFile: { ...text(''), env: `${prefix}_TLS_CA_FILE`, description: 'Authorities of the server; those of the system when empty.' },
      certFile: { ...text(''), env: `${prefix}_TLS_CERT_FILE`, description: 'Client certificate.' },
      keyFile: { ...text(''), env: `${prefix}_TLS_KEY_FILE` },
    },
  }) as const

export const nats = {
  type: 'object',
  properties: {
    url: {
      ...list(),
      env: 'WEFT_NATS_URL',
      description: 'NATS servers, nats://host:4222 or tls://host:4222: replicas announce changes and ask each other by them.',
    },
    user: { ...text(''), env: 'WEFT_NATS_USER' },
    password: { ...text(''), secret: true, env: 'WEFT_NATS_PASSWORD' },
    token: { ...text(''), secret: true, env: 'WEFT_NATS_TOKEN' },
    nkeyFile: { ...text(''), env: 'WEFT_NATS_NKEY_FILE', description: 'File with the seed of an NKey.' },
    credentialsFile: { ...text(''), env: 'WEFT_NATS_CREDENTIALS_FILE', description: 'File with a JWT and its seed, as nsc writes it.' },
    tls: tls('WEFT_NATS'),
  },
} as const

export const redis = {
  type: 'object',
  properties: {
    url: {
      ...text(''),
      env: 'WEFT_REDIS_URL',
      description: 'redis://host:6379/0, or rediss:// for TLS: replicas notice there within seconds that one of them is gone.',
    },
    user: { ...text(''), env: 'WEFT_REDIS_USER' },
    password: { ...text(''), secret: true, env: 'WEFT_REDIS_PASSWORD' },
    tls: tls('WEFT_REDIS'),
  },
} as const
