// Self-signed server certificates for tests, valid for localhost and 127.0.0.1 until 2126. They protect nothing.

import type { ZonePortTls } from '../zone-port.ts'

export interface TestCertificate {
  readonly pem: string
  readonly key: string
}

/** The one a test server shows. */
export const localCertificate: TestCertificate = {
  pem: `-----BEGIN CERTIFICATE-----
MIIBqDCCAU+gAwIBAgIUI3CiKkeJL7JpC1sWkhUy/Ws3zUYwCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQbG9jYWxDZXJ0aWZpY2F0ZTAgFw0yNjExMjIxMDQzNTZaGA8y
MTI2MTAyOTEwNDM1NlowGzEZMBcGA1UEAwwQbG9jYWxDZXJ0aWZpY2F0ZTBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABIfVZ1jz7c4evvMOIj2qpQggThjzzCJGz755
W5ctni1Ykyjj/tDx0A1nM5Mp8JdJm1i1IhlqdKsqfW071nzZGhKjbzBtMB0GA1Ud
DgQWBBQAnbB0UTe64pzpF1+09YV1DGwd7TAfBgNVHSMEGDAWgBQAnbB0UTe64pzp
F1+09YV1DGwd7TAPBgNVHRMBAf8EBTADAQH/MBoGA1UdEQQTMBGCCWxvY2FsaG9z
dIcEfwAAATAKBggqhkjOPQQDAgNHADBEAiAv2RWpReVL3oqHW8k0Q6oy0oWm0cI9
LFGxCtq3CLx2eQIgIq3XVVkofaEYQscmw3eu0ohB7V3hVAcGRD9s60cWwqw=
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgrbqZi3wJnu55KR89
lHJduQQ/4PKOsoBmHLVhzx3Jy96hRANCAASH1WdY8+3OHr7zDiI9qqUIIE4Y88wi
Rs++eVuXLZ4tWJMo4/7Q8dANZzOTKfCXSZtYtSIZanSrKn1tO9Z82RoS
-----END PRIVATE KEY-----
`,
}

/** Another one for the same names. */
export const otherCertificate: TestCertificate = {
  pem: `-----BEGIN CERTIFICATE-----
MIIBqTCCAU+gAwIBAgIURoeHJRyqtuLxAIxwYKszYaeoy4QwCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQb3RoZXJDZXJ0aWZpY2F0ZTAgFw0yNjExMjIxMDQzNTZaGA8y
MTI2MTAyOTEwNDM1NlowGzEZMBcGA1UEAwwQb3RoZXJDZXJ0aWZpY2F0ZTBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABJ9wujOtGTnelvJQ2CBwDOb59hLaCU4ZtE7E
a2LXxeHq3+9qnw8wbPo/2MXvhsKT74z9rSWAk9EJ72vhYsKd9zqjbzBtMB0GA1Ud
DgQWBBS4A5NFEfi1MxQB62DmxaytA26LKjAfBgNVHSMEGDAWgBS4A5NFEfi1MxQB
62DmxaytA26LKjAPBgNVHRMBAf8EBTADAQH/MBoGA1UdEQQTMBGCCWxvY2FsaG9z
dIcEfwAAATAKBggqhkjOPQQDAgNIADBFAiEAi4ak7TubUgKZPOdO4Qv+zW5szzkp
IuafQBbyHr+JpDYCIFr5wQcFMUtRn9LVmJ3KmSHWS+QK46lQknCfW5YbEI/E
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3qhC68zaV2wRWvur
09MnVJ47zIVihRFD1hecm2qryKihRANCAASfcLozrRk53pbyUNggcAzm+fYS2glO
GbROxGti18Xh6t/vap8PMGz6P9jF74bCk++M/a0lgJPRCe9r4WLCnfc6
-----END PRIVATE KEY-----
`,
}

/** A server certificate that never changes. */
export function fixedTls({ pem, key }: TestCertificate): ZonePortTls {
  return { server: { current: { certificatePem: pem, privateKeyPem: key }, onChange: () => () => {} } }
}
