// -incoming: the guest comes from another netemu.

import Migration

extension OptionRow {
    static let incoming = OptionRow(
        "incoming", "tcp:HOST:PORT|unix:PATH|fd:N|exec:COMMAND|file:PATH|defer", "the guest comes from another netemu",
        phase: .run, reads: .word(["tcp:", "unix:", "fd:", "exec:", "file:", "defer"])
    ) { builder, parsed throws(OptionError) in
        do throws(MigrationURIError) {
            builder.configuration.incoming = IncomingPlan(
                uri: try MigrationURI(parsed.text), text: parsed.text, location: parsed.option.location)
        } catch {
            throw OptionError("\(error)", hints: ["For example -incoming tcp:localhost:4444"])
        }
    }
}
