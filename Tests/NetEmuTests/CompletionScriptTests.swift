// Shell completion: printed from the tables, understood by the shells.

import TestSupport
import Testing

@testable import NetEmu

@Suite("shell completion")
struct CompletionScriptTests {
    @Test(
        "bash completes options, first words and keys, also behind an =",
        arguments: [
            ("netemu -ni", "-nic"), ("netemu -netdev pa", "passt"), ("netemu -netdev passt,vh", "passt,vhost-user="),
            ("netemu -netdev passt,id=x,vh", "x,vhost-user="), ("netemu -chardev socket,id=c,rec", "c,reconnect-ms="),
            ("netemu --nic st", "stream"), ("netemu -monitor u", "unix:"), ("netemu -completion z", "zsh"),
        ])
    func bash(line: String, completed: String) throws {
        let shell = try Peers.system("bash").require()
        let script = """
            \(CompletionScript.text(for: .bash))
            COMP_LINE='\(line)' COMP_POINT=\(line.utf8.count)
            _netemu 2>/dev/null
            echo "${COMPREPLY[*]}"
            """
        let child = try Child([shell, "-c", script])
        #expect(try child.wait() == .exited(0), "\(child.transcript)")
        #expect(child.output == completed + "\n")
    }

    @Test("every option and every key that is carried out is in every script", arguments: CompletionShell.allCases)
    func complete(shell: CompletionShell) {
        let text = CompletionScript.text(for: shell)
        for row in OptionTable.implemented { #expect(text.contains(row.name), "-\(row.name)") }
        for head in OptionTable.implemented.flatMap({ $0.grammar?.heads ?? [] }) {
            for row in head.keys.known { #expect(text.contains("\(row.name)="), "\(row.name)=") }
        }
    }
}
