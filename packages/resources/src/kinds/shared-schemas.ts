// Schema literals that several kinds use.

export const port = { type: 'integer', minimum: 1, maximum: 65535 } as const
export const stringMap = { type: 'map', values: { type: 'string' } } as const
export const stringList = { type: 'array', items: { type: 'string' } } as const

/** Kubernetes-style conditions of a status. */
export const conditions = {
  type: 'array',
  items: {
    type: 'object',
    properties: {
      type: { type: 'string' },
      status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
      reason: { type: 'string' },
      message: { type: 'string' },
    },
    required: ['type', 'status', 'reason', 'message'],
  },
} as const

/** `status.addresses`: the hostnames of a destination in this zone. */
export const addresses = {
  type: 'array',
  items: {
    type: 'object',
    properties: {
      hostname: { type: 'string' },
      origin: { type: 'string' },
      hostnameGeneratorRef: { type: 'object', properties: { coreName: { type: 'string' } } },
    },
  },
} as const

export const vips = { type: 'array', items: { type: 'object', properties: { ip: { type: 'string' } } } } as const

/** `status.hostnameGenerators`: what each generator made of a destination. */
export const generatorStatuses = {
  type: 'array',
  items: {
    type: 'object',
    properties: { hostnameGeneratorRef: { type: 'object', properties: { coreName: { type: 'string' } } }, conditions },
  },
} as const

/** Application protocol of a destination's port (contract/resources.md section 4). */
export const appProtocol = { type: 'string', default: 'tcp' } as const

export const destinationProtocols = ['grpc', 'http', 'http2', 'tcp'] as const
