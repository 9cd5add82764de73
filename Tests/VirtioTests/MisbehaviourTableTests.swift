// docs/misbehaviours.md has a row for every number that sources, tests and fuzzers cite.

import Glibc
import Testing

struct MisbehaviourTableTests {
    private static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    private static func text(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&room, 1, room.count, file), count > 0 { bytes += room[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Every Swift file below `directory`.
    private static func sources(_ directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var found: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard !name.hasPrefix(".") else { continue }
            if name.hasSuffix(".swift") { found.append("\(directory)/\(name)") }
            if entry.pointee.d_type == DT_DIR { found += sources("\(directory)/\(name)") }
        }
        return found
    }

    @Test("each number that is cited stands in the table, once")
    func numbers() {
        let rows = Self.text(Self.root + "/docs/misbehaviours.md").split(separator: "\n").compactMap { line in
            line.prefixMatch(of: /\| (R[WMVF]-\d\d) \|/).map { String($0.1) }
        }
        #expect(rows.count > 80 && Set(rows).count == rows.count)
        var cited: Set<String> = []
        for directory in ["Sources", "Tests", "Fuzz"] {
            for path in Self.sources("\(Self.root)/\(directory)") {
                for match in Self.text(path).matches(of: /\bR[A-Z]-\d+\b/) {
                    cited.insert(String(match.0))
                    #expect(rows.contains(String(match.0)), "\(match.0) in \(path)")
                }
            }
        }
        #expect(cited.count > 40)
    }
}
