export { translate, type Translation, type TranslateOptions } from './translate.ts'
