// Names for the shapes that the driver describes; nothing is written down twice.
import type { components } from './schema';

type Schemas = components['schemas'];

export type Checklist = Schemas['ChecklistBody'];
export type CheckItem = Schemas['CheckItemBody'];
export type Course = Schemas['CourseBody'];
export type Details = Schemas['DetailsBody'];
export type Component = Schemas['ComponentBody'];
export type Door = Schemas['DoorBody'];
export type Gauge = Schemas['GaugeBody'];
export type Live = Schemas['LiveBody'];
export type LiveGun = Schemas['LiveGunBody'];
export type LiveSegment = Schemas['LiveSegmentBody'];
export type LiveSession = Schemas['LiveSessionBody'];
export type History = Schemas['RoomHistoryBody'];
export type HistoryField = Schemas['RoomFieldBody'];
export type HistoryEntry = Schemas['RoomEntryBody'];
export type HistorySession = Schemas['RoomHistorySessionBody'];
export type MaterialFacts = Schemas['MaterialBody'];
export type Patient = Schemas['PatientBody'];
export type Phase = Schemas['RoomPhaseBody'];
export type Person = Schemas['PersonBody'];
export type Protocol = Schemas['RoomProtocolBody'];
export type Question = Schemas['QuestionBody'];
export type Questionnaire = Schemas['QuestionnaireBody'];
export type RoomSession = Schemas['RoomSessionBody'];
export type ScreeningAnswers = Schemas['ScreeningAnswersBody'];
export type Segment = Schemas['SegmentOpenedBody'];
export type Strays = Schemas['StrayShotsBody'];
export type RoomLibrary = Schemas['RoomLibraryBody'];
export type Scanned = Schemas['ScannedBody'];
export type SegmentStep = Schemas['SegmentStepBody'];
export type SignIn = Schemas['SignInBody'];
export type Step = Schemas['RoomStepBody'];
export type StepTaken = Schemas['StepTakenBody'];
