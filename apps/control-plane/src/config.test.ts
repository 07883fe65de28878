import { hasCode } from '@weft/foundation/errors'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFederated, loadControlPlaneConfig, publicConfig, workDirOf } from './config.ts'
import { natsSettings, redisSettings } from './replica-servers.ts'
import { meshSettings } from './role-settings.ts'

const fails = (env: Readonly<Record<string, string>>, pattern: RegExp): void => {
  assert.throws(
    () => loadControlPlaneConfig({ env }),
    (error: unknown) => hasCode(error, 'config/invalid') && pattern.test(error.message),
  )
}

test('the defaults are a standalone zone on disk', () => {
  const { config, warnings } = loadControlPlaneConfig({ env: {} })
  assert.deepEqual(warnings, [])
  assert.equal(config.mode, 'zone')
  assert.equal(isFederated(config), false)
  assert.equal(config.store.type, 'embedded')
  assert.equal(config.multizone.global.kds.auth.type, 'zoneToken')
  assert.equal(config.xdsServer.dataplaneDeregistrationDelay, 10_000)
  assert.equal(config.runtime.universal.dataplaneCleanupAge, 72 * 3_600_000)
  assert.deepEqual(config.access.static.viewStats.groups, ['mesh-system:unauthenticated', 'mesh-system:authenticated'])
  assert.ok(workDirOf(config).endsWith('.weft'))
})

test('the variables of a launch recipe work', () => {
  const { config, withoutEffect } = loadControlPlaneConfig({
    env: {
      KUMA_MODE: 'zone',
      KUMA_MULTIZONE_ZONE_NAME: 'east',
      KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS: 'grpcs://global:5685',
      KUMA_MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY: 'true',
      KUMA_STORE_TYPE: 'memory',
      KUMA_STORE_POSTGRES_PASSWORD: 'hush',
      KUMA_STORE_POSTGRES_DRIVER_NAME: 'pgx',
      KUMA_GENERAL_WORK_DIR: '/var/lib/weft',
      KUMA_XDS_DATAPLANE_DEREGISTRATION_DELAY: '1s',
      KUMA_IPAM_ALLOCATION_INTERVAL: '720h',
      KUMA_SOMETHING_NEWER: 'x',
    },
  })
  assert.equal(isFederated(config), true)
  assert.equal(config.multizone.zone.kds.tlsSkipVerify, true)
  assert.equal(config.xdsServer.dataplaneDeregistrationDelay, 1000)
  assert.equal(workDirOf(config), '/var/lib/weft')
  assert.deepEqual(withoutEffect, ['store.postgres.driverName'])
  assert.ok(!JSON.stringify(publicConfig(config)).includes('hush'))
})

test('the public form has what clients read', () => {
  const shown = publicConfig(loadControlPlaneConfig({ env: { KUMA_STORE_TYPE: 'memory' } }).config)
  assert.equal(shown['mode'], 'zone')
  assert.equal(shown['environment'], 'universal')
  assert.deepEqual((shown['store'] as { readonly type: string }).type, 'memory')
})

test('settings that contradict each other name the key', () => {
  fails({ KUMA_MODE: 'standalone' }, /^KUMA_MODE must be one of global, zone/)
  fails({ KUMA_MODE: 'global', KUMA_ENVIRONMENT: 'kubernetes' }, /^environment/)
  fails({ KUMA_MULTIZONE_ZONE_NAME: 'East_1' }, /^multizone\.zone\.name/)
  fails({ KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS: 'http://x' }, /^multizone\.zone\.globalAddress/)
  fails({ KUMA_STORE_TYPE: 'kubernetes' }, /^KUMA_STORE_TYPE must be one of embedded, postgres, memory/)
  const postgres = { KUMA_STORE_TYPE: 'postgres' }
  fails(
    { ...postgres, KUMA_STORE_POSTGRES_TLS_MODE: 'require' },
    /^KUMA_STORE_POSTGRES_TLS_MODE must be one of disable, verifyNone, verifyCa, verifyFull/,
  )
  fails({ ...postgres, KUMA_STORE_POSTGRES_TLS_MODE: 'verifyFull' }, /^store\.postgres\.tls\.caPath must be set/)
  fails({ ...postgres, KUMA_STORE_POSTGRES_TLS_KEY_PATH: '/a' }, /^store\.postgres\.tls\.certPath and/)
  fails({ KUMA_MULTIZONE_GLOBAL_KDS_ZONE_HEALTH_CHECK_TIMEOUT: '5s' }, /zoneHealthCheck/)
  fails(
    { KUMA_MESH_SERVICE_LABEL_PROPAGATION_ALLOWED_KEYS: 'team,kuma.io/zone' },
    /^meshService\.labelPropagation\.allowedKeys .*"kuma\.io\/zone"/,
  )
  fails({ KUMA_GENERAL_TLS_CERT_FILE: '/a' }, /^general\.tlsCertFile/)
  fails({ KUMA_API_SERVER_HTTP_PORT: '70000' }, /^KUMA_API_SERVER_HTTP_PORT must be a whole number from 0 to 65535/)
})

test('labels are propagated only when asked for', () => {
  const settings = (env: Readonly<Record<string, string>>) => meshSettings(loadControlPlaneConfig({ env }).config).labelPropagation
  assert.equal(settings({}), undefined)
  assert.equal(settings({ KUMA_MESH_SERVICE_LABEL_PROPAGATION_ALLOWED_KEYS: 'team' }), undefined)
  assert.deepEqual(settings({ KUMA_MESH_SERVICE_LABEL_PROPAGATION_ENABLED: 'true' }), { allowedKeys: [] })
  assert.deepEqual(
    settings({ KUMA_MESH_SERVICE_LABEL_PROPAGATION_ENABLED: 'true', KUMA_MESH_SERVICE_LABEL_PROPAGATION_ALLOWED_KEYS: 'team,tier' }),
    { allowedKeys: ['team', 'tier'] },
  )
})

test('NATS and Redis join replicas on PostgreSQL, and their secrets are not shown', () => {
  const postgres = { KUMA_STORE_TYPE: 'postgres' }
  const { config, warnings } = loadControlPlaneConfig({
    env: {
      ...postgres,
      WEFT_NATS_URL: 'nats://a:4222,tls://b:4222',
      WEFT_NATS_USER: 'weft',
      WEFT_NATS_PASSWORD: 'correct-horse',
      WEFT_NATS_TLS_CA_FILE: '/ca.pem',
      WEFT_REDIS_URL: 'rediss://redis:6380/2',
      WEFT_REDIS_PASSWORD: 'staple-horse',
    },
  })
  assert.deepEqual(warnings, [])
  assert.deepEqual(natsSettings(config)?.servers, ['nats://a:4222', 'tls://b:4222'])
  assert.equal(redisSettings(config)?.password, 'staple-horse')
  assert.doesNotMatch(JSON.stringify(publicConfig(config)), /correct-horse|staple-horse/)
  const none = loadControlPlaneConfig({ env: postgres }).config
  assert.deepEqual([natsSettings(none), redisSettings(none)], [undefined, undefined])
  fails({ WEFT_NATS_URL: 'nats://a:4222' }, /^weft\.nats connects replicas on one database: it needs store\.type postgres/)
  fails({ WEFT_REDIS_URL: 'redis://a' }, /^weft\.redis connects replicas/)
  fails({ ...postgres, WEFT_NATS_URL: 'a:4222' }, /^weft\.nats: a server must look like/)
  fails({ ...postgres, WEFT_NATS_URL: 'nats://a', WEFT_NATS_USER: 'u', WEFT_NATS_TOKEN: 't' }, /^weft\.nats: user and token/)
  fails({ ...postgres, WEFT_REDIS_URL: 'redis://:p@a' }, /^weft\.redis: the URL must not hold credentials/)
})
