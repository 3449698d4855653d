/** The texts in the language that is spoken here. */
import { en, type Texts } from "./messages/en";

export const texts: Texts = en;
