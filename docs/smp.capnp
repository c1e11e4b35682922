# The messages of the Swaptacular Messaging Protocol as Cap'n Proto structs.
#
# Nothing on the wire uses it: messages travel as JSON (protocol.rst).  It is here for those
# who want to weigh a binary form; docs/decisions/0028-messages-stay-json.md has the figures.
#
# Moments are microseconds since 1970-01-01T00:00:00Z, days are days since 1970-01-01,
# rates are percent per year, periods are seconds.

@0xd3c1f0a8b7e64925;

struct Message {
  union {
    configureAccount @0 :ConfigureAccount;
    prepareTransfer @1 :PrepareTransfer;
    finalizeTransfer @2 :FinalizeTransfer;
    rejectedConfig @3 :RejectedConfig;
    rejectedTransfer @4 :RejectedTransfer;
    preparedTransfer @5 :PreparedTransfer;
    finalizedTransfer @6 :FinalizedTransfer;
    accountUpdate @7 :AccountUpdate;
    accountPurge @8 :AccountPurge;
    accountTransfer @9 :AccountTransfer;
    pendingBalanceChange @10 :PendingBalanceChange;
  }
}

struct ConfigureAccount {
  debtorId @0 :Int64;
  creditorId @1 :Int64;
  negligibleAmount @2 :Float64;
  configFlags @3 :Int32;
  configData @4 :Text;
  ts @5 :Int64;
  seqnum @6 :Int32;
}

struct PrepareTransfer {
  debtorId @0 :Int64;
  creditorId @1 :Int64;
  coordinatorType @2 :Text;
  coordinatorId @3 :Int64;
  coordinatorRequestId @4 :Int64;
  minLockedAmount @5 :Int64;
  maxLockedAmount @6 :Int64;
  recipient @7 :Text;
  finalInterestRateTs @8 :Int64;
  maxCommitDelay @9 :Int32;
  ts @10 :Int64;
}

struct FinalizeTransfer {
  debtorId @0 :Int64;
  creditorId @1 :Int64;
  transferId @2 :Int64;
  coordinatorType @3 :Text;
  coordinatorId @4 :Int64;
  coordinatorRequestId @5 :Int64;
  committedAmount @6 :Int64;
  transferNote @7 :Text;
  transferNoteFormat @8 :Text;
  ts @9 :Int64;
}

struct RejectedConfig {
  debtorId @0 :Int64;
  creditorId @1 :Int64;
  configTs @2 :Int64;
  configSeqnum @3 :Int32;
  configFlags @4 :Int32;
  negligibleAmount @5 :Float64;
  configData @6 :Text;
  rejectionCode @7 :Text;
  ts @8 :Int64;
}

struct RejectedTransfer {
  debtorId @0 :Int64;
  creditorId @1 :Int64;
  coordinatorType @2 :Text;
  coordinatorId @3 :Int64;
  coordinatorRequestId @4 :Int64;
  statusCode @5 :Text;
  totalLockedAmount @6 :Int64;
  ts @7 :Int64;
}

struct PreparedTransfer {
  debtorId @0 :Int64;
  creditorId @1 :Int64;
  transferId @2 :Int64;
  coordinatorType @3 :Text;
  coordinatorId @4 :Int64;
  coordinatorRequestId @5 :Int64;
  lockedAmount @6 :Int64;
  recipient @7 :Text;
  preparedAt @8 :Int64;
  demurrageRate @9 :Float64;
  deadline @10 :Int64;
  finalInterestRateTs @11 :Int64;
  ts @12 :Int64;
}

struct FinalizedTransfer {
  debtorId @0 :Int64;
  creditorId @1 :Int64;
  transferId @2 :Int64;
  coordinatorType @3 :Text;
  coordinatorId @4 :Int64;
  coordinatorRequestId @5 :Int64;
  committedAmount @6 :Int64;
  statusCode @7 :Text;
  totalLockedAmount @8 :Int64;
  preparedAt @9 :Int64;
  ts @10 :Int64;
}

struct AccountUpdate {
  debtorId @0 :Int64;
  creditorId @1 :Int64;
  creationDate @2 :Int32;
  lastChangeTs @3 :Int64;
  lastChangeSeqnum @4 :Int32;
  principal @5 :Int64;
  interest @6 :Float64;
  interestRate @7 :Float64;
  lastInterestRateChangeTs @8 :Int64;
  lastConfigTs @9 :Int64;
  lastConfigSeqnum @10 :Int32;
  negligibleAmount @11 :Float64;
  configFlags @12 :Int32;
  configData @13 :Text;
  accountId @14 :Text;
  debtorInfoIri @15 :Text;
  debtorInfoContentType @16 :Text;
  debtorInfoSha256 @17 :Text;
  lastTransferNumber @18 :Int64;
  lastTransferCommittedAt @19 :Int64;
  demurrageRate @20 :Float64;
  commitPeriod @21 :Int32;
  transferNoteMaxBytes @22 :Int32;
  ts @23 :Int64;
  ttl @24 :Int32;
}

struct AccountPurge {
  debtorId @0 :Int64;
  creditorId @1 :Int64;
  creationDate @2 :Int32;
  ts @3 :Int64;
}

struct AccountTransfer {
  debtorId @0 :Int64;
  creditorId @1 :Int64;
  creationDate @2 :Int32;
  transferNumber @3 :Int64;
  coordinatorType @4 :Text;
  sender @5 :Text;
  recipient @6 :Text;
  acquiredAmount @7 :Int64;
  transferNote @8 :Text;
  transferNoteFormat @9 :Text;
  committedAt @10 :Int64;
  principal @11 :Int64;
  ts @12 :Int64;
  previousTransferNumber @13 :Int64;
}

struct PendingBalanceChange {
  debtorId @0 :Int64;
  creditorId @1 :Int64;
  changeId @2 :Int64;
  coordinatorType @3 :Text;
  transferNote @4 :Text;
  transferNoteFormat @5 :Text;
  committedAt @6 :Int64;
  principalDelta @7 :Int64;
  otherCreditorId @8 :Int64;
}
