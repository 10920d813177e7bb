//! `sum`, `avg`, `var` and `stddev` over exact sums, so that they are the same bits in whatever order rows and partial
//! results come. Everything but numbers of 64 bits is left to DataFusion's own functions.

use super::exact_sum::ExactSum;
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::functions_aggregate::{average, stddev, sum, variance};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
};
use std::sync::Arc;

/// A figure that follows from count, sum and sum of squares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Statistic {
    Sum,
    Mean,
    Variance,
    PopulationVariance,
    Deviation,
    PopulationDeviation,
}

impl Statistic {
    fn of(self, group: &Group) -> Option<f64> {
        let n = group.count as f64;
        match self {
            _ if group.count == 0 => None,
            Self::Sum => Some(group.sum.value()),
            Self::Mean => Some(group.sum.value() / n),
            Self::Variance => (group.count > 1).then(|| group.squares_about_mean() / (n - 1.0)),
            Self::Deviation => (group.count > 1).then(|| (group.squares_about_mean() / (n - 1.0)).sqrt()),
            Self::PopulationVariance => Some(group.squares_about_mean() / n),
            Self::PopulationDeviation => Some((group.squares_about_mean() / n).sqrt()),
        }
    }

    fn needs_squares(self) -> bool {
        !matches!(self, Self::Sum | Self::Mean)
    }
}

/// The functions, to be registered over DataFusion's own of the same names.
pub fn functions() -> Vec<AggregateUDF> {
    let of = |inner: Arc<AggregateUDF>, statistic| AggregateUDF::new_from_impl(Exact { inner, statistic });
    vec![
        of(sum::sum_udaf(), Statistic::Sum),
        of(average::avg_udaf(), Statistic::Mean),
        of(variance::var_samp_udaf(), Statistic::Variance),
        of(variance::var_pop_udaf(), Statistic::PopulationVariance),
        of(stddev::stddev_udaf(), Statistic::Deviation),
        of(stddev::stddev_pop_udaf(), Statistic::PopulationDeviation),
    ]
}

/// A function of DataFusion whose sums are exact.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Exact {
    inner: Arc<AggregateUDF>,
    statistic: Statistic,
}

impl Exact {
    fn takes(fields: &[FieldRef], is_distinct: bool) -> bool {
        !is_distinct && matches!(fields, [field] if *field.data_type() == DataType::Float64)
    }
}

impl AggregateUDFImpl for Exact {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if !Self::takes(args.input_fields, args.is_distinct) {
            return self.inner.state_fields(args);
        }
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "exact"), DataType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if !Self::takes(args.expr_fields, args.is_distinct) {
            return self.inner.accumulator(args);
        }
        Ok(Box::new(Single { group: Group::default(), statistic: self.statistic }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.create_sliding_accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        Self::takes(args.expr_fields, args.is_distinct) || self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        if !Self::takes(args.expr_fields, args.is_distinct) {
            return self.inner.create_groups_accumulator(args);
        }
        Ok(Box::new(Groups { groups: Vec::new(), statistic: self.statistic, heap: 0 }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

/// Running figures of the values of a group.
#[derive(Debug, Clone, Default)]
struct Group {
    count: u64,
    sum: ExactSum,
    squares: ExactSum,
}

impl Group {
    #[inline]
    fn add(&mut self, x: f64, with_squares: bool) {
        self.count += 1;
        self.sum.add(x);
        if with_squares {
            // A square is the sum of its rounded value and what that lacks (Dekker 1971, doi:10.1007/BF01397083).
            let square = x * x;
            self.squares.add(square);
            if square.is_finite() {
                self.squares.add(x.mul_add(x, -square));
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
    }

    /// The sum of squared differences from the mean, from sums of some 106 bits: Σx² − m (2 Σx − n m).
    fn squares_about_mean(&self) -> f64 {
        let n = self.count as f64;
        let (sum, sum_low) = self.sum.parts();
        let (squares, squares_low) = self.squares.parts();
        let mean = sum / n;
        let times = n * mean;
        let times_low = n.mul_add(mean, -times);
        // 2 Σx − n m, of which both parts are near each other.
        let (twice, twice_low) = two_sum(2.0 * sum, -times);
        let twice_low = twice_low + (2.0 * sum_low - times_low);
        let product = mean * twice;
        let product_low = mean.mul_add(twice, -product) + mean * twice_low;
        let (difference, difference_low) = two_sum(squares, -product);
        let result = difference + (difference_low + (squares_low - product_low));
        if result < 0.0 { 0.0 } else { result }
    }

    fn encode(&self, with_squares: bool, to: &mut Vec<u8>) {
        to.clear();
        to.extend_from_slice(&self.count.to_le_bytes());
        self.sum.encode(to);
        if with_squares {
            self.squares.encode(to);
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let read = || {
            let (count, rest) = bytes.split_first_chunk()?;
            let (sum, rest) = ExactSum::decode(rest)?;
            let squares = if rest.is_empty() { ExactSum::default() } else { ExactSum::decode(rest)?.0 };
            Some(Self { count: u64::from_le_bytes(*count), sum, squares })
        };
        read().ok_or_else(|| exec_datafusion_err!("a partial sum can't be read"))
    }

    fn heap(&self) -> usize {
        self.sum.heap() + self.squares.heap()
    }
}

/// a + b, and what that lacks (Knuth 1969).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let other = sum - a;
    (sum, (a - (sum - other)) + (b - other))
}

fn values(arrays: &[ArrayRef]) -> Result<&Float64Array> {
    arrays[0].as_primitive_opt::<Float64Type>().ok_or_else(|| exec_datafusion_err!("numbers were expected"))
}

fn states(arrays: &[ArrayRef]) -> Result<&BinaryArray> {
    arrays[0].as_binary_opt::<i32>().ok_or_else(|| exec_datafusion_err!("partial sums were expected"))
}

/// All rows as one group.
#[derive(Debug)]
struct Single {
    group: Group,
    statistic: Statistic,
}

impl Accumulator for Single {
    fn update_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let values = values(arrays)?;
        let with_squares = self.statistic.needs_squares();
        if values.null_count() == 0 {
            values.values().iter().for_each(|x| self.group.add(*x, with_squares));
        } else {
            values.iter().flatten().for_each(|x| self.group.add(x, with_squares));
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.statistic.of(&self.group)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.group.heap()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut bytes = Vec::new();
        self.group.encode(self.statistic.needs_squares(), &mut bytes);
        Ok(vec![ScalarValue::Binary(Some(bytes))])
    }

    fn merge_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        states(arrays)?.iter().flatten().try_for_each(|bytes| {
            self.group.merge(&Group::decode(bytes)?);
            Ok(())
        })
    }
}

/// Rows of many groups.
#[derive(Debug)]
struct Groups {
    groups: Vec<Group>,
    statistic: Statistic,
    heap: usize,
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        arrays: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize_with(total_num_groups, Group::default);
        let values = values(arrays)?;
        let with_squares = self.statistic.needs_squares();
        if values.null_count() == 0 && opt_filter.is_none() {
            for (x, group) in values.values().iter().zip(group_indices) {
                self.groups[*group].add(*x, with_squares);
            }
            return Ok(());
        }
        for (row, (x, group)) in values.iter().zip(group_indices).enumerate() {
            let is_kept = opt_filter.is_none_or(|f| f.is_valid(row) && f.value(row));
            if let (Some(x), true) = (x, is_kept) {
                self.groups[*group].add(x, with_squares);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = emit_to.take_needed(&mut self.groups);
        let array: Float64Array = groups.iter().map(|group| self.statistic.of(group)).collect();
        Ok(Arc::new(array))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = emit_to.take_needed(&mut self.groups);
        let mut builder = BinaryBuilder::with_capacity(groups.len(), groups.len() * 29);
        let mut bytes = Vec::new();
        for group in &groups {
            group.encode(self.statistic.needs_squares(), &mut bytes);
            builder.append_value(&bytes);
        }
        Ok(vec![Arc::new(builder.finish())])
    }

    fn merge_batch(
        &mut self,
        arrays: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize_with(total_num_groups, Group::default);
        for (bytes, group) in states(arrays)?.iter().zip(group_indices) {
            if let Some(bytes) = bytes {
                let group = &mut self.groups[*group];
                let before = group.heap();
                group.merge(&Group::decode(bytes)?);
                self.heap += group.heap() - before;
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        arrays: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = values(arrays)?;
        let with_squares = self.statistic.needs_squares();
        let mut builder = BinaryBuilder::with_capacity(values.len(), values.len() * 29);
        let mut bytes = Vec::new();
        for (row, x) in values.iter().enumerate() {
            let is_kept = opt_filter.is_none_or(|f| f.is_valid(row) && f.value(row));
            match x.filter(|_| is_kept) {
                Some(x) => {
                    let mut group = Group::default();
                    group.add(x, with_squares);
                    group.encode(with_squares, &mut bytes);
                    builder.append_value(&bytes);
                }
                None => builder.append_null(),
            }
        }
        Ok(vec![Arc::new(builder.finish())])
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Group>() + self.heap
    }
}
