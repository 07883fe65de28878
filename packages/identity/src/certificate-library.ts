// The general X.509 library, on its own so that it is loaded when it is needed: it takes 8 MB.
import 'reflect-metadata'

export { KeyUsageFlags, KeyUsagesExtension, X509Certificate } from '@peculiar/x509'
