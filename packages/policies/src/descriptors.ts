// Every policy as a kind of resource.
import type { ResourceDescriptor } from '@weft/resources'
import { policies } from './policies.ts'

/** The descriptors of all policies, in the order in which they act. */
export const policyDescriptors: readonly ResourceDescriptor[] = policies.map(({ resource }) => resource)
