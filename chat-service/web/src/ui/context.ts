/** What every component below the shell can reach. */
import { getContext, setContext } from "svelte";
import type { ChatClient } from "../store/client";
import type { Doors } from "../protocol/rest";
import type { Session } from "../store/session";
import type { Navigation } from "./navigation";

export interface Frame {
  session: Session;
  doors: Doors;
  navigation: Navigation;
}

const FRAME = Symbol("frame");
const CLIENT = Symbol("client");

export const setFrame = (frame: Frame): Frame => setContext(FRAME, frame);
export const getFrame = (): Frame => getContext<Frame>(FRAME);
export const setClient = (client: ChatClient): ChatClient => setContext(CLIENT, client);
export const getClient = (): ChatClient => getContext<ChatClient>(CLIENT);
