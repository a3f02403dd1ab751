/// The circles in a graph of waits: each a set of those that wait for one another, directly or through others, so that none
/// of them can go on before the others do. Tarjan's strongly connected components, without recursion. O(waits).
package func waitCycles(_ waitsFor: [[Int]]) -> [[Int]] {
    var cycles: [[Int]] = []
    var indices = [Int](repeating: -1, count: waitsFor.count)
    var lowest = [Int](repeating: 0, count: waitsFor.count)
    var isOpen = [Bool](repeating: false, count: waitsFor.count)
    var open: [Int] = []
    var next = 0
    var path: [(node: Int, edge: Int)] = []
    for root in waitsFor.indices where indices[root] < 0 && !waitsFor[root].isEmpty {
        path.append((root, 0))
        while let (node, edge) = path.last {
            if edge == 0 {
                indices[node] = next
                lowest[node] = next
                next += 1
                open.append(node)
                isOpen[node] = true
            }
            if edge < waitsFor[node].count {
                path[path.count - 1].edge += 1
                let target = waitsFor[node][edge]
                if indices[target] < 0 {
                    path.append((target, 0))
                } else if isOpen[target] {
                    lowest[node] = min(lowest[node], indices[target])
                }
                continue
            }
            path.removeLast()
            if let (parent, _) = path.last { lowest[parent] = min(lowest[parent], lowest[node]) }
            guard lowest[node] == indices[node] else { continue }
            var members: [Int] = []
            repeat {
                members.append(open.removeLast())
                isOpen[members[members.count - 1]] = false
            } while members[members.count - 1] != node
            if members.count > 1 || waitsFor[node].contains(node) { cycles.append(members.reversed()) }
        }
    }
    return cycles
}
