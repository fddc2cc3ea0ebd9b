package flatcheck

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
)

// Source looks at the package in the folder, whose messages are the types with a method build and whose connection has one method
// (writer) that writes. It says what the fuzzing of those messages would not see: a type that is not among the looked at (as %T prints
// them), and a place that writes to the connection past it. nil: there is none.
func Source(folder, writer string, lookedAt []string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var problems []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), folder+"/"+e.Name(), nil, 0)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if fn.Name.Name == "build" && fn.Recv != nil && !slices.Contains(lookedAt, received(fn, file.Name.Name)) {
				problems = append(problems, received(fn, file.Name.Name)+" is a message that no test encodes")
			}
			if fn.Name.Name != writer && writes(fn) {
				problems = append(problems, fmt.Sprintf("%s in %s writes, and only %s may", fn.Name.Name, e.Name(), writer))
			}
		}
	}
	if problems != nil {
		return fmt.Errorf("%s", strings.Join(problems, "; "))
	}
	return nil
}

// received is the receiver's type as %T prints it.
func received(fn *ast.FuncDecl, pkg string) string {
	switch t := fn.Recv.List[0].Type.(type) {
	case *ast.StarExpr:
		return fmt.Sprintf("*%s.%s", pkg, t.X)
	default:
		return fmt.Sprintf("%s.%s", pkg, t)
	}
}

func writes(fn *ast.FuncDecl) (found bool) {
	ast.Inspect(fn, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			switch s.Sel.Name {
			case "Write", "WriteMsgUnix", "WriteTo", "WriteToUnix", "ReadFrom":
				found = true
			}
		}
		return true
	})
	return found
}
