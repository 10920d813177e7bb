//! One order for rows whose order a question leaves open, so that the same question has the same answer.

use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, FetchType, Limit, LogicalPlan, SkipType, Sort};
use std::sync::Arc;

/// A plan whose rows come in one order, and how many of them are wanted where the caller has to count.
///
/// Rows that are only read, filtered and projected come in the order of their files, if partitions are drained one after
/// the other. Rows of aggregates, joins and the like are sorted by all columns. Where the question sorts, the columns that
/// it doesn't name decide between equals.
///
/// # Errors
/// If a column can't be sorted by.
pub fn settled(plan: LogicalPlan) -> Result<(LogicalPlan, Option<usize>)> {
    if let LogicalPlan::Limit(limit) = &plan {
        let (skip, fetch) = (limit.get_skip_type()?, limit.get_fetch_type()?);
        if is_in_file_order(&limit.input) {
            // DataFusion would take the rows of whatever partition is first.
            if let (SkipType::Literal(0), FetchType::Literal(Some(rows))) = (skip, fetch) {
                return Ok((limit.input.as_ref().clone(), Some(rows)));
            }
        }
        let input = sorted(limit.input.as_ref().clone())?;
        let limit = Limit { input: Arc::new(input), skip: limit.skip.clone(), fetch: limit.fetch.clone() };
        return Ok((LogicalPlan::Limit(limit), None));
    }
    if is_in_file_order(&plan) {
        return Ok((plan, None));
    }
    Ok((sorted(plan)?, None))
}

/// Returns whether a plan only reads one table, filters and projects.
fn is_in_file_order(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(p) => is_in_file_order(&p.input) && !p.expr.iter().any(has_subquery),
        LogicalPlan::Filter(f) => is_in_file_order(&f.input) && !has_subquery(&f.predicate),
        LogicalPlan::SubqueryAlias(a) => is_in_file_order(&a.input),
        LogicalPlan::TableScan(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::DescribeTable(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Values(_) => true,
        _ => false,
    }
}

fn has_subquery(expr: &Expr) -> bool {
    use datafusion::common::tree_node::TreeNode;
    let is = |e: &Expr| Ok(matches!(e, Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_)));
    expr.exists(is).unwrap_or(true)
}

/// The plan with a sort by all columns on top, or below the projection that a question puts on its own sort.
fn sorted(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Sort(mut sort) => {
            let input = columns(&sort.input);
            for key in input {
                if !sort.expr.iter().any(|s| s.expr == key) {
                    sort.expr.push(key.sort(true, true));
                }
            }
            Ok(LogicalPlan::Sort(sort))
        }
        // Columns that are sorted by and not shown are projected away above the sort.
        LogicalPlan::Projection(projection) if matches!(projection.input.as_ref(), LogicalPlan::Sort(_)) => {
            let input = sorted(projection.input.as_ref().clone())?;
            let plan = LogicalPlan::Projection(projection);
            plan.with_new_exprs(plan.expressions(), vec![input])
        }
        plan => {
            let expr: Vec<_> = columns(&plan).into_iter().map(|c| c.sort(true, true)).collect();
            if expr.is_empty() {
                return Ok(plan);
            }
            Ok(LogicalPlan::Sort(Sort { expr, input: Arc::new(plan), fetch: None }))
        }
    }
}

/// The columns of a plan that can be sorted by.
fn columns(plan: &LogicalPlan) -> Vec<Expr> {
    let schema = plan.schema();
    let fields = schema.iter().filter(|(_, field)| !field.data_type().is_nested());
    fields.map(|(qualifier, field)| Expr::Column(Column::new(qualifier.cloned(), field.name()))).collect()
}
