// `-incoming`: where the guest comes from.

import Migration

/// A guest that is to come.
struct IncomingPlan: Equatable, Sendable {
    /// Where from; `later`: the monitor will say.
    let uri: MigrationURI
    /// The same, as it was typed.
    let text: String
    /// The option as typed.
    let location: String
}
