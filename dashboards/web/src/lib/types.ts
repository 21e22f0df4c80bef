// Names for the shapes that the server describes; nothing is written down twice.
import type { components } from './schema';

type Schemas = components['schemas'];

export type AlertView = Schemas['AlertView'];
export type BoundsView = Schemas['BoundsView'];
export type DayView = Schemas['DayView'];
export type ErrorView = Schemas['ErrorView'];
export type FindingView = Schemas['FindingBody'];
export type GunView = Schemas['GunView'];
export type LateFindingView = Schemas['LateFindingView'];
export type LimitsView = Schemas['LimitsView'];
export type LiveEvent = Schemas['LiveEvent'];
export type OverviewView = Schemas['OverviewView'];
export type ReportRequest = Schemas['ReportRequest'];
export type SessionView = Schemas['SessionView'];
export type ShotView = Schemas['ShotView'];
