// docs/differences-from-qemu.md says of each row what QEMU does and what netemu does; both are run.

import Glibc
import TestSupport
import Testing

/// One row of the table.
struct Difference: Sendable, CustomTestStringConvertible {
    let input: String
    let qemu: String
    let netemu: String
    var testDescription: String { input }

    static let all: [Difference] = rows(of: textOfFile(Peers.packageRoot + "/docs/differences-from-qemu.md") ?? "")

    /// Rows whose first cell is code; `\|` in a cell is a bar.
    static func rows(of text: String) -> [Difference] {
        let lines: [Substring] = text.split(separator: "\n").filter { $0.hasPrefix("| `") }
        return lines.map { line in
            let cells: [String] = cells(of: String(line))
            return Difference(input: cells[0], qemu: cells[1], netemu: cells[2])
        }
    }

    private static func cells(of line: String) -> [String] {
        let bar = "\u{0}"
        let parts: [Substring] = line.replacing("\\|", with: bar).split(separator: "|")
        return parts.map { part in
            let cell = String(part).replacing(bar, with: "|")
            return cell.trimming { $0 == " " }.trimming { $0 == "`" }
        }
    }
}

extension String {
    fileprivate func trimming(_ isOut: (Character) -> Bool) -> String {
        String(drop(while: isOut).reversed().drop(while: isOut).reversed())
    }
}

@Suite("differences from QEMU, as documented", .serialized)
struct DifferencesTests {
    @Test("the table has rows, each with an input and two sayings that differ")
    func table() {
        #expect(Difference.all.count > 15)
        for row in Difference.all {
            #expect(row.input.contains("$P ") && !row.qemu.isEmpty && !row.netemu.isEmpty && row.qemu != row.netemu)
        }
    }

    @Test("each program does what its column says", arguments: Difference.all)
    func row(_ row: Difference) throws {
        let qemu = try Peers.find("qemu-system-x86_64").require()
        let netemu = try Peers.built("netemu").require()
        for (program, said) in [
            ("\(qemu) -display none", row.qemu), ("\(netemu) -guest none", row.netemu),
        ] {
            try withTemporaryDirectory(for: .mapped) { directory in
                try withNamespace(as: .mapped) { namespace in
                    let place = directory.path + "/differences"
                    mkdir(place, 0o755)
                    let child = try namespace.start(
                        ["/bin/sh", "-c", row.input], directory: place, environment: ["P": "timeout 3 \(program)"])
                    try child.wait(seconds: 30)
                    #expect((child.output + child.errors).contains(said), "\(program): \(child.transcript)")
                }
            }
        }
    }
}
